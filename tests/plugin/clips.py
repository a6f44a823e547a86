"""Small synthetic clips, and what is left of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Plane = NDArray[np.float64]


def moving(
    format: int = vs.YUV420P8, width: int = 24, height: int = 16, length: int = 8, matrix: int | None = 6
) -> vs.VideoNode:
    """A soft pattern that moves, different in every frame."""
    rows, columns = np.mgrid[0:height, 0:width]

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            wave = np.sin(rows / 3 + n / 2 + plane) * np.cos(columns / 4 - n / 3)
            np.copyto(np.asarray(frame[plane]), (0.5 + 0.3 * wave).astype(np.float32))
        return frame

    blank = vs.core.std.BlankClip(width=width, height=height, format=vs.RGBS, length=length)
    drawn = vs.core.std.ModifyFrame(blank, blank, draw)
    if format == vs.RGBS:
        return drawn
    is_rgb = vs.core.get_video_format(format).color_family == vs.RGB
    converted = drawn.resize.Bicubic(format=format, matrix=None if is_rgb else matrix or 6)
    return converted if matrix or is_rgb else converted.std.RemoveFrameProps("_Matrix")


def failing_from(clip: vs.VideoNode, end: int, length: int) -> vs.VideoNode:
    """The clip declared `length` frames long, of which those from `end` on fail; as a player's clip does at its end."""
    return guarded(clip, length, lambda n: n < end)


def guarded(clip: vs.VideoNode, length: int, exists: Callable[[int], bool]) -> vs.VideoNode:
    """The clip declared `length` frames long, of which only those that exist when they are asked for can be had."""

    def give(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        if not exists(n):
            raise vs.Error(f"frame {n} is not there")
        return f

    endless = clip.std.Loop(0).std.Trim(length=length) if length < 1 << 20 else clip.std.Loop(length // len(clip))
    return vs.core.std.ModifyFrame(endless, endless, give)


def planes(frame: vs.VideoFrame) -> list[Plane]:
    """A frame's planes as numbers of their full scale: 0 to 1 for integers, as they are for floats."""
    peak = (1 << frame.format.bits_per_sample) - 1 if frame.format.sample_type == vs.INTEGER else 1
    return [np.asarray(plane).astype(np.float64) / peak for plane in frame]


def means(frame: vs.VideoFrame) -> list[float]:
    return [float(plane.mean()) for plane in planes(frame)]


def digest(clip: vs.VideoNode, n: int) -> str:
    """The bits of frame n."""
    with clip.get_frame(n) as frame:
        return digest_of(frame)


def digest_of(frame: vs.VideoFrame) -> str:
    """The bits of a frame."""
    return hashlib.sha256(b"".join(np.asarray(plane).tobytes() for plane in frame)).hexdigest()


def digests(clip: vs.VideoNode, order: Iterable[int]) -> dict[int, str]:
    return {n: digest(clip, n) for n in order}
