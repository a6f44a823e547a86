"""Image networks of any origin give the same frames by every entry, in any order, with any number of threads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import vapoursynth as vs

from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.media.frame import RawFrame
from ffmpeg_filter.upscale.y4m import read, run, write
from ffmpeg_filter.upscale.y4m_header import Header
from tests.backends.image_networks import write_image_network
from tests.ffmpeg_filter.clips import filtered, raws, video_frames
from tests.plugin.clips import digest_of, digests, moving
from vsadcvsr import backends

FILES: dict[str, dict[str, Any]] = {
    "free": {},
    "fixed": {"size": (32, 48)},
    "multiple": {"multiple": 4},
    "grey": {"channels": 1},
    "half": {"type": "float16"},
    "x1": {"scale": 1},
    "x2 grey": {"scale": 2, "channels": 1},
    "x3 fixed": {"scale": 3, "size": (32, 48)},
}


@pytest.fixture(params=FILES)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(write_image_network(tmp_path / "net.onnx", **{"scale": 4, **FILES[request.param]}))


def same(frames: Iterable[RawFrame], expected: Iterable[RawFrame]) -> bool:
    pairs = list(zip(frames, expected, strict=True))
    return len(pairs) == 3 and all(
        np.array_equal(*planes) for pair in pairs for planes in zip(pair[0].planes, pair[1].planes, strict=True)
    )


def test_pipes_give_the_frames_of_vapoursynth(network: str) -> None:
    clip = moving(width=70, height=46, length=3, matrix=1)
    source, out = BytesIO(), BytesIO()
    header = Header.parse("YUV4MPEG2 W70 H46 F25:1 Ip C420mpeg2 XCOLORRANGE=LIMITED")
    write(source, header, (replace(raw, tag="") for raw in raws(clip)))
    run(BytesIO(source.getvalue()), out, model=network, matrix=1)
    assert same(read(BytesIO(out.getvalue()))[1], filtered(clip, model=network))


def test_pyav_gives_the_frames_of_vapoursynth(network: str) -> None:
    location = 2 if hasattr(av.VideoFrame, "chroma_location") else 0
    clip = moving(width=70, height=46, length=3, matrix=1).std.SetFrameProps(_ChromaLocation=location)
    frames = upscale_frames(video_frames(3, 70, 46), model=network)
    assert same(map(to_raw_frame, frames), filtered(clip, model=network))


@pytest.mark.parametrize("backend", ["ort", "openvino"])
def test_several_streams_give_the_same_frames_by_every_entry(backend: str, tmp_path: Path) -> None:
    network = str(write_image_network(tmp_path / "net.onnx", scale=2))
    clip = moving(width=70, height=46, length=3, matrix=1)
    expected = filtered(clip, model=network, backend=backend)
    options: dict[str, Any] = {"model": network, "backend": backend, "num_streams": 2}
    vs.core.num_threads = 4
    assert same(filtered(clip, **options), expected)
    upscaled = vs.core.adcvsr.Upscale(clip, **options)
    linear = digests(vs.core.adcvsr.Upscale(clip, model=network, backend=backend), range(3))
    together = {n: upscaled.get_frame_async(n) for n in (2, 0, 1)}
    assert {n: digest_of(future.result()) for n, future in together.items()} == linear
    source, out = BytesIO(), BytesIO()
    header = Header.parse("YUV4MPEG2 W70 H46 F25:1 Ip C420mpeg2 XCOLORRANGE=LIMITED")
    write(source, header, (replace(raw, tag="") for raw in raws(clip)))
    run(BytesIO(source.getvalue()), out, matrix=1, **options)
    assert same(read(BytesIO(out.getvalue()))[1], expected)


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV444P16, vs.GRAY8, vs.GRAYS, vs.RGB24])
def test_every_order_and_format_gives_the_same_bits(network: str, format: vs.PresetVideoFormat) -> None:
    clip = moving(format, 70, 46, 5)
    linear = digests(vs.core.adcvsr.Upscale(clip, model=network), range(5))
    upscaled = vs.core.adcvsr.Upscale(clip, model=network)
    scale = backends.load(Path(network)).spec.scale
    assert (upscaled.width, upscaled.height, upscaled.format.id) == (70 * scale, 46 * scale, format)
    assert digests(upscaled, (4, 0, 2, 3, 1)) == linear
