"""SSIMULACRA2 and XPSNR through `vszip`, a VapourSynth plugin (pip install vapoursynth-vszip).

SSIMULACRA2 (Cloudinary) looks at XYB colour, which the plugin makes of sRGB, 8 bits here. 100: no difference (up to .1
are lost to rounding), 90: hardly visible, 70: high quality, 50: medium, 30: low; below 0 for ruins. Apart from
Cloudinary's program the plugin mirrors frames at their borders, up to 3 points on small frames, and counts the sixth
scale of frames below 225 pixels a side as well: compare within one implementation.

XPSNR (Fraunhofer HHI) is a PSNR in dB whose errors are weighed by the truth's activity in space and, at 25 frames a
second, in time; here of BT.709 studio luma in 8 bits, as VMAF's. FFmpeg's filter of that name gives the same numbers.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import BackendError
from vsadcvsr.evaluate.metrics.vmaf import luma_of
from vsadcvsr.extras import install, needs
from vsadcvsr.spec import Array
from vsadcvsr.video_io import to_uint8

if TYPE_CHECKING:
    from vapoursynth import VideoFrame, VideoNode

type Scores = Callable[[Sequence[Array], Sequence[Array]], list[float]]
type _Planes = Sequence[NDArray[np.uint8]]


def open_metric(name: str) -> Scores:
    """A function that returns `ssimulacra2` or `xpsnr` for every frame of a clip against its truth.

    Raises BackendError where the plugin is missing.
    """
    vs = _vapoursynth(name)
    return {"ssimulacra2": _ssimulacra2, "xpsnr": _xpsnr}[name](vs)


def _vapoursynth(name: str) -> ModuleType:
    with needs("evaluate", name):
        vs: ModuleType = importlib.import_module("vapoursynth")
    if not hasattr(vs.core, "vszip"):
        raise BackendError(f"{name} needs vszip, a VapourSynth plugin; run `{install('evaluate')}`")
    return vs


def _ssimulacra2(vs: ModuleType) -> Scores:
    def scores(clip: Sequence[Array], truth: Sequence[Array]) -> list[float]:
        nodes = (_node(vs, frames, vs.RGB24, _rgb) for frames in (truth, clip))
        return _values(vs.core.vszip.SSIMULACRA2(*nodes), "SSIMULACRA2")

    return scores


def _xpsnr(vs: ModuleType) -> Scores:
    def scores(clip: Sequence[Array], truth: Sequence[Array]) -> list[float]:
        nodes = (_node(vs, frames, vs.YUV444P8, _luma) for frames in (truth, clip))
        return _values(vs.core.vszip.XPSNR(*nodes, verbose=False), "XPSNR_Y")

    return scores


def _node(vs: ModuleType, frames: Sequence[Array], format_id: int, planes_of: Callable[[Array], _Planes]) -> VideoNode:
    """A clip of 25 frames a second that holds `frames`, cut to even sizes."""
    height, width = (side // 2 * 2 for side in frames[0].shape[1:])
    blank = vs.core.std.BlankClip(width=width, height=height, format=format_id, length=len(frames), fpsnum=25, fpsden=1)

    def fill(n: int, f: VideoFrame) -> VideoFrame:
        frame = f.copy()
        for index, plane in enumerate(planes_of(frames[n])):
            np.asarray(frame[index])[...] = plane[:height, :width]
        return frame

    return blank.std.ModifyFrame(blank, fill)


def _values(node: VideoNode, key: str) -> list[float]:
    """The property `key` of every frame, asked for in order."""
    values = []
    for number in range(node.num_frames):
        with node.get_frame(number) as frame:
            values.append(float(frame.props[key]))
    return values


def _rgb(frame: Array) -> _Planes:
    return list(to_uint8(frame).transpose(2, 0, 1))


def _luma(frame: Array) -> _Planes:
    light = luma_of(frame)
    return [light, *[np.full_like(light, 128)] * 2]
