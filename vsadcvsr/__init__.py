"""AdcVSR: video super-resolution that streams, for VapourSynth, FFmpeg and farms.

Importing it loads neither a model nor VapourSynth nor a runtime; each name brings in what it needs when
it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vsadcvsr import errors

if TYPE_CHECKING:
    from vsadcvsr.engine import EndOfClip as EndOfClip
    from vsadcvsr.engine import Engine as Engine
    from vsadcvsr.engine import InputFrame as InputFrame
    from vsadcvsr.plugin import load as load
    from vsadcvsr.plugin import upscale as upscale
    from vsadcvsr.plugin import version as version

__version__ = "0.1.0"
__all__ = ["EndOfClip", "Engine", "InputFrame", "__version__", "errors", "load", "upscale", "version"]

_MODULES = {
    "EndOfClip": "vsadcvsr.engine",
    "Engine": "vsadcvsr.engine",
    "InputFrame": "vsadcvsr.engine",
    "load": "vsadcvsr.plugin",
    "upscale": "vsadcvsr.plugin",
    "version": "vsadcvsr.plugin",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
