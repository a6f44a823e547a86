"""Small clips as frames in memory and as frames of PyAV, and what the VapourSynth filter makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
import vapoursynth as vs

from ffmpeg_filter.media.frame import RawFrame
from ffmpeg_filter.upscale.vs_bridge import Size, from_vs_frame
from tests.plugin.clips import moving


def raws(clip: vs.VideoNode) -> Iterator[RawFrame]:
    """Its frames, which have their numbers as tags."""
    for n, frame in enumerate(clip.frames()):
        yield from_vs_frame(frame, None, Size(clip.width, clip.height), n)


def filtered(clip: vs.VideoNode, **options: object) -> list[RawFrame]:
    """What `core.adcvsr.Upscale` makes, without its notes on what made it."""
    upscaled = vs.core.adcvsr.Upscale(clip, **options)
    ours = ["AdcVSRModel", "AdcVSRScale", "AdcVSRBackend", "AdcVSRDenoise", "AdcVSRSteady", "AdcVSRSharpen"]
    return list(raws(upscaled.std.RemoveFrameProps(ours)))


def same(first: RawFrame, second: RawFrame) -> bool:
    """Whether two frames have the same bits and properties."""
    planes = zip(first.planes, second.planes, strict=True)
    return first.is_like(second) and first.props == second.props and all(bool((a == b).all()) for a, b in planes)


def all_same(ours: Iterable[RawFrame], theirs: Iterable[RawFrame]) -> bool:
    """Whether two clips have as many frames, and each the same bits and properties."""
    return all(same(first, second) for first, second in zip(ours, theirs, strict=True))


def video_frames(length: int = 4, width: int = 24, height: int = 16) -> list[av.VideoFrame]:
    """The moving clip in yuv420p, at irregular times, described as BT.709."""
    frames = []
    for raw in raws(moving(vs.YUV420P8, width, height, length, matrix=1)):
        packed = np.concatenate([plane.ravel() for plane in raw.planes]).reshape(-1, width)
        frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
        assert isinstance(raw.tag, int)
        frame.pts, frame.duration, frame.time_base = 100 * raw.tag**2 + 7, 30 + raw.tag, Fraction(1, 1000)
        frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = 1, 1, 9, 16
        if hasattr(frame, "chroma_location"):  # PyAV 19 and later
            frame.chroma_location = 3
        frames.append(frame)
    return frames
