"""PyAV frames upscaled: the public name of `upscale_frames`."""

from __future__ import annotations

from ffmpeg_filter.upscale.stream import FrameOptions, upscale_frames

__all__ = ["FrameOptions", "upscale_frames"]
