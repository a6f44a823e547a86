"""AdcVSR in FFmpeg command lines, and for frames of PyAV.

Importing it loads neither PyAV nor a model; names are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffmpeg_filter.cli import main as main
    from ffmpeg_filter.frames import upscale_frames as upscale_frames

__all__ = ["main", "upscale_frames"]

_MODULES = {"main": "ffmpeg_filter.cli", "upscale_frames": "ffmpeg_filter.frames"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
