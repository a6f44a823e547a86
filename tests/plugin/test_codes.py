"""Codes that torch makes, held against VapourSynth's `resize` over formats, colours and sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsadcvsr.backends.pytorch.planes import PlaneConverter, planes_from_host
from vsadcvsr.color import CHROMA_LOCATIONS, KR_KB, ColorFormat, OutputFormat
from vsadcvsr.output import Planes
from vsadcvsr.plugin.reconstruct import join
from vsadcvsr.spec import SCALES, Array

FORMATS = (
    vs.YUV420P8, vs.YUV420P10, vs.YUV422P10, vs.YUV444P16, vs.YUV410P8, vs.YUV411P8, vs.YUV440P8, vs.YUV420P12,
    vs.YUV420PS, vs.YUV444PH, vs.RGB24, vs.RGB30, vs.RGBS, vs.RGBH, vs.GRAY8, vs.GRAY16, vs.GRAYS,
)  # fmt: skip
CPU = torch.device("cpu")

torch.set_num_threads(1)


@st.composite
def encodings(draw: st.DrawFn) -> tuple[vs.VideoFormat, ColorFormat]:
    format = vs.core.get_video_format(draw(st.sampled_from(FORMATS)))
    is_rgb = format.color_family == vs.RGB
    return format, ColorFormat(
        family=format.color_family.name,
        bits=format.bits_per_sample,
        is_float=format.sample_type == vs.FLOAT,
        subsampling=(format.subsampling_w, format.subsampling_h),
        matrix=None if is_rgb else draw(st.sampled_from(sorted(KR_KB))),
        full_range=draw(st.booleans()),
        chroma_location=draw(st.sampled_from(sorted(CHROMA_LOCATIONS))),
    )


def clip_of(format: int, planes: Array) -> vs.VideoNode:
    frame = vs.core.create_video_frame(format, planes.shape[2], planes.shape[1])
    for index, plane in enumerate(planes):
        np.copyto(np.asarray(frame[index]), plane)
    blank = vs.core.std.BlankClip(None, planes.shape[2], planes.shape[1], format, 1)
    return blank.std.ModifyFrame(blank, lambda n, f: frame)  # noqa: ARG005 - its names are VapourSynth's


def theirs(big: vs.VideoNode, format: vs.VideoFormat, encoding: ColorFormat) -> vs.VideoFrame:
    options = {"matrix": encoding.matrix, "chromaloc": encoding.chroma_location if any(encoding.subsampling) else None}
    named = {name: value for name, value in options.items() if value is not None}
    return big.resize.Bicubic(format=format.id, range=int(encoding.full_range), **named).get_frame(0)


def ours(finish: OutputFormat, *made: Array) -> Planes:
    with torch.inference_mode():
        planes = PlaneConverter(finish, CPU).run(tuple(torch.from_numpy(part[None]) for part in made))
    return planes_from_host([plane.numpy() for plane in planes])


def assert_alike(output: Planes, wanted: vs.VideoFrame, encoding: ColorFormat) -> None:
    for plane, other in zip(output.planes, wanted, strict=True):
        known: NDArray[Any] = np.asarray(other)
        assert plane.dtype == known.dtype
        assert plane.shape == known.shape
        apart = np.abs(plane.astype(np.float64) - known)
        assert apart.max() <= ((2e-3 if encoding.bits == 16 else 2e-6) if encoding.is_float else 1)


SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))


def whole_blocks(size: tuple[int, int], encoding: ColorFormat, scale: int) -> tuple[int, int]:
    """The size, or the next larger one whose output at that scale is whole blocks of chroma."""
    across, down = encoding.subsampling
    height, width = (
        next(side for side in range(length, length + 4) if side * scale % (1 << halvings) == 0)
        for length, halvings in zip(size, (down, across), strict=True)
    )
    return height, width


@given(target=encodings(), size=SIZES, seed=st.integers(0, 9), scale=st.sampled_from(SCALES))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_parts_become_the_planes_that_vapoursynth_joins(
    target: tuple[vs.VideoFormat, ColorFormat], size: tuple[int, int], seed: int, scale: int
) -> None:
    format, encoding = target
    size = whole_blocks(size, encoding, scale)
    rng = np.random.default_rng(seed)
    base = rng.random((3, *size), np.float32) * np.float32(1.2) - np.float32(0.1)
    detail = (rng.random((scale * size[0], scale * size[1]), np.float32) - np.float32(0.5)) * np.float32(0.4)
    location = encoding.chroma_location if any(encoding.subsampling) else None
    joined = join(
        clip_of(vs.GRAYS, detail[None]), clip_of(vs.RGBS, base), format, matrix=encoding.matrix, chromaloc=location
    )
    output = ours(OutputFormat(color_format=encoding, height=size[0], width=size[1], scale=scale), base, detail)
    assert_alike(output, theirs(joined, format, encoding), encoding)


@given(target=encodings(), size=SIZES, seed=st.integers(0, 9), scale=st.sampled_from(SCALES))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_whole_pictures_become_the_planes_that_vapoursynth_makes(
    target: tuple[vs.VideoFormat, ColorFormat], size: tuple[int, int], seed: int, scale: int
) -> None:
    format, encoding = target
    size = whole_blocks(size, encoding, scale)
    picture = np.random.default_rng(seed).random((3, scale * size[0], scale * size[1]), np.float32)
    output = ours(OutputFormat(color_format=encoding, height=size[0], width=size[1], scale=scale), picture)
    assert_alike(output, theirs(clip_of(vs.RGBS, picture), format, encoding), encoding)


@pytest.mark.parametrize(("format", "most"), [(vs.YUV420P8, 1e-4), (vs.YUV420P10, 2e-4), (vs.YUV444P16, 2e-3)])
def test_nearly_all_codes_are_the_same(format: int, most: float) -> None:
    target = vs.core.get_video_format(format)
    encoding = ColorFormat(
        family="YUV", bits=target.bits_per_sample, subsampling=(target.subsampling_w, target.subsampling_h), matrix=1
    )
    picture = np.random.default_rng(0).random((3, 256, 320), np.float32)
    output = ours(OutputFormat(color_format=encoding, height=64, width=80, scale=4), picture)
    wanted = theirs(clip_of(vs.RGBS, picture), target, encoding)
    pairs = [(plane, np.asarray(other)) for plane, other in zip(output.planes, wanted, strict=True)]
    differing = sum(int((first != other).sum()) for first, other in pairs)
    assert differing <= most * sum(our_plane.size for our_plane, _ in pairs)


def test_padding_is_cut_off_before_anything_is_made_of_it() -> None:
    encoding = ColorFormat(family="YUV", bits=8, subsampling=(1, 1), matrix=6)
    finish = OutputFormat(color_format=encoding, height=3, width=5, scale=4, color_fix="frame")
    rng = np.random.default_rng(1)
    picture, junk = rng.random((3, 16, 24), np.float32), rng.random((3, 16, 24), np.float32)
    junk[:, :12, :20] = picture[:, :12, :20]
    first, second = ours(finish, picture), ours(finish, junk)
    for plane, same in zip(first.planes, second.planes, strict=True):
        np.testing.assert_array_equal(plane, same)
    assert first.planes[1].shape == (6, 10)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_noticed(wrong: float) -> None:
    finish = OutputFormat(color_format=ColorFormat(family="GRAY", bits=8, matrix=1), height=2, width=2, scale=4)
    base, detail = np.zeros((3, 2, 2), np.float32), np.zeros((8, 8), np.float32)
    assert ours(finish, base, detail).is_finite
    detail[5, 5] = wrong
    assert not ours(finish, base, detail).is_finite
