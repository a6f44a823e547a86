"""Planes that the backend makes: what comes out is what VapourSynth would make of its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import vapoursynth as vs

from tests.backends.tiny import write_student
from tests.plugin.clips import digests, moving
from vsadcvsr.backends.pytorch.backend import TorchOptions
from vsadcvsr.engine import Engine
from vsadcvsr.output import Planes

FORMATS = (vs.YUV420P8, vs.YUV420P10, vs.YUV422P10, vs.YUV444P16, vs.YUV420PS, vs.GRAY8, vs.RGB24, vs.RGBS)

YCGCO = 8

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_student(tmp_path_factory.mktemp("planes") / "tiny.safetensors"))


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """The kinds of picture that engines gave in this test, one for each frame."""
    seen: list[type] = []
    plain = Engine.output

    def noted(self: Engine, n: int, fetch: Callable[[int], object]) -> object:
        result = plain(self, n, fetch)  # type: ignore[arg-type]
        seen.append(type(result))
        return result

    monkeypatch.setattr(Engine, "output", noted)
    return seen


def upscaled(clip: vs.VideoNode, model: str, ways: TorchOptions, **options: object) -> vs.VideoNode:
    """The clip upscaled on a backend that works in these ways."""
    usual: Callable[[object], TorchOptions] = lambda _: ways  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TorchOptions, "for_device", usual)
        patch.setattr("vsadcvsr.backends._loaded", {})
        return vs.core.adcvsr.Upscale(clip, model=model, backend="torch", **options)


def both(clip: vs.VideoNode, model: str, **options: object) -> tuple[vs.VideoNode, vs.VideoNode]:
    ways = TorchOptions(pipelined_output=True, planar_output=True), TorchOptions(pipelined_output=True)
    first, second = (upscaled(clip, model, way, **options) for way in ways)
    return first, second


def assert_alike(ours: vs.VideoFrame, theirs: vs.VideoFrame) -> None:
    assert ours.format.id == theirs.format.id
    is_float = ours.format.sample_type == vs.FLOAT
    for first, second in zip(ours, theirs, strict=True):
        apart = np.abs(np.asarray(first).astype(np.float64) - np.asarray(second))
        assert apart.max() <= (1e-5 if is_float else 1)
        assert is_float or (apart > 0).mean() < 0.02


@pytest.mark.parametrize("options", [{}, {"strength": 0.5}, {"color_fix": "frame"}], ids=str)
@pytest.mark.parametrize("format", FORMATS)
def test_planes_are_those_that_vapoursynth_makes(
    format: int, options: dict[str, object], model: str, kinds: list[type]
) -> None:
    clip = moving(format=format, width=22, height=14, length=4)
    for ours, theirs in zip(*(node.frames() for node in both(clip, model, **options)), strict=True):
        assert_alike(ours, theirs)
        assert dict(ours.props) == dict(theirs.props)
    assert kinds.count(Planes) == len(clip)


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV422P10, vs.YUV444P16, vs.RGB24])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_planes_are_those_that_vapoursynth_makes_at_any_scale(
    format: int, scale: int, kinds: list[type], tmp_path: Path
) -> None:
    model = str(write_student(tmp_path / "tiny.safetensors", scale=scale))
    clip = moving(format=format, width=22, height=14, length=4).std.SetFrameProps(_ChromaLocation=2)
    for ours, theirs in zip(*(node.frames() for node in both(clip, model, strength=0.75)), strict=True):
        assert (ours.width, ours.height) == (22 * scale, 14 * scale)
        assert_alike(ours, theirs)
        assert dict(ours.props) == dict(theirs.props)
    assert kinds.count(Planes) == len(clip)


@pytest.mark.parametrize("props", [
    {"_Matrix": 1, "_Range": 1, "_ChromaLocation": 1}, {"_Matrix": 9, "_Range": 0, "_ChromaLocation": 2},
    {"_Matrix": 6, "_SARNum": 4, "_SARDen": 3, "Mine": 5}, {"_Primaries": 9, "_Transfer": 16},
])  # fmt: skip
@pytest.mark.parametrize("out", [None, vs.YUV444P16, vs.RGB24, vs.GRAY8])
def test_frames_are_described_as_vapoursynth_describes_them(props: dict[str, int], out: int | None, model: str) -> None:
    clip = moving(length=2).std.SetFrameProps(**props)
    ours, theirs = both(clip, model, **({} if out is None else {"format": out}))
    assert dict(ours.get_frame(1).props) == dict(theirs.get_frame(1).props)
    assert_alike(ours.get_frame(1), theirs.get_frame(1))


def test_frames_whose_colours_only_vapoursynth_knows_are_left_to_it(model: str, kinds: list[type]) -> None:
    parts = [moving(length=3).std.SetFrameProps(_Matrix=matrix) for matrix in (1, YCGCO, 6)]
    clip = parts[0] + parts[1] + parts[2]
    for ours, theirs in zip(*(node.frames() for node in both(clip, model)), strict=True):
        assert_alike(ours, theirs)
        assert dict(ours.props) == dict(theirs.props)
    assert kinds.count(Planes) == 6


@pytest.mark.parametrize("options", [{"scale": 2}, {"width": 60, "height": 44}, {"tile": [52, 52]}], ids=str)
def test_what_is_resized_or_joined_from_tiles_is_left_to_vapoursynth(
    options: dict[str, object], model: str, kinds: list[type]
) -> None:
    ours, theirs = both(moving(length=3, width=64, height=32), model, **options)
    assert_alike(ours.get_frame(1), theirs.get_frame(1))
    assert Planes not in kinds


def test_planes_are_the_same_bits_in_any_order(model: str) -> None:
    clip, ways = moving(length=12), TorchOptions(pipelined_output=True, planar_output=True)
    linear = digests(upscaled(clip, model, ways), range(12))
    assert digests(upscaled(clip, model, ways), (11, 3, 4, 0, 7)) == {n: linear[n] for n in (11, 3, 4, 0, 7)}
    assert digests(upscaled(clip, model, TorchOptions(planar_output=True)), (5, 2, 9)) == {
        n: linear[n] for n in (5, 2, 9)
    }


@pytest.mark.parametrize("threads", [1, 8])
def test_planes_are_the_same_bits_on_any_number_of_threads(threads: int, model: str) -> None:
    clip, ways = moving(length=12), TorchOptions(pipelined_output=True, planar_output=True)
    linear = digests(upscaled(clip, model, ways), range(12))
    vs.core.num_threads = threads
    together = upscaled(clip, model, ways).frames(prefetch=threads)
    result = [
        hashlib.sha256(b"".join(np.asarray(plane).tobytes() for plane in frame)).hexdigest() for frame in together
    ]
    assert result == list(linear.values())
