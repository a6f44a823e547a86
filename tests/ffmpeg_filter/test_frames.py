"""Frames of PyAV in, frames of PyAV out, with all that they say of themselves."""

from __future__ import annotations

import logging
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.media.frame import Plane
from ffmpeg_filter.media.pixel_formats import LAYOUTS, layout_of
from tests.ffmpeg_filter.clips import filtered, video_frames
from tests.plugin.clips import moving
from vsadcvsr.errors import FormatError, UsageError

ALIKE = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "p010le": "yuv420p10le", "p016le": "yuv420p16le",
    "yuyv422": "yuv422p", "uyvy422": "yuv422p", "yvyu422": "yuv422p", "rgb24": "gbrp", "bgr24": "gbrp", "rgba": "gbrap",
    "argb": "gbrap", "bgr0": "gbrp", "0rgb": "gbrp", "rgb48le": "gbrp16le", "bgr48be": "gbrp16le",
    "rgba64le": "gbrap16le", "ya8": "gray", "yuv420p10be": "yuv420p10le", "gbrpf32be": "gbrpf32le",
}  # fmt: skip
"""Formats that hold the same, so that FFmpeg itself makes the one of the other without loss."""


def noise(name: str, width: int = 22, height: int = 6) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, name)
    random = np.random.default_rng(1)
    for plane in frame.planes:
        samples = np.frombuffer(plane, layout_of(name).dtype)
        peak = 1 if layout_of(name).format.is_float else (1 << layout_of(name).format.bits) - 1
        samples[:] = (random.random(samples.shape) * peak).astype(samples.dtype)
    return frame


def flat(name: str, part: float) -> av.VideoFrame:
    """Each component at a part of its peak."""
    frame, form = av.VideoFrame(8, 8, name), layout_of(name).format
    value = part if form.is_float else round(part * ((1 << form.bits) - 1)) << layout_of(name).shift
    for plane in frame.planes:
        np.frombuffer(plane, layout_of(name).dtype)[:] = value
    return frame


def planes(frame: av.VideoFrame) -> list[Plane]:
    return [*to_raw_frame(frame).planes]


@pytest.mark.parametrize("name", ALIKE)
def test_packed_formats_are_read_as_ffmpeg_reads_them(name: str) -> None:
    planar = noise(ALIKE[name], height=2)  # one slice: where libswscale's threads meet, a few samples may be wrong
    for ours, theirs in zip(planes(planar.reformat(format=name)), planes(planar), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_format_comes_back_as_itself(name: str) -> None:
    (output,) = upscale_frames([flat(name, 0.4)], model="nearest", scale=2)
    assert (output.format.name, output.width, output.height) == (name, 16, 16)
    small, large = to_raw_frame(flat(name, 0.4)), to_raw_frame(output)
    pairs = zip([*small.planes, small.alpha], [*large.planes, large.alpha], strict=True)
    tolerance = 1e-3 if small.format.is_float else 1 << max(0, small.format.bits - 10)
    for before, after in ((before, after) for before, after in pairs if before is not None and after is not None):
        assert np.abs(after.astype(np.float64) - np.float64(before[0, 0])).max() <= tolerance


@pytest.mark.parametrize("model", ["nearest", "fast"])
def test_the_bits_are_those_of_the_filter(model: str) -> None:
    outputs = list(upscale_frames(video_frames(), model=model))
    location = 2 if hasattr(av.VideoFrame, "chroma_location") else 0
    clip = moving(length=4, matrix=1).std.SetFrameProps(_ChromaLocation=location, _Primaries=9, _Transfer=16)
    for frame, theirs in zip(outputs, filtered(clip, model=model), strict=True):
        assert all((a == b).all() for a, b in zip(planes(frame), theirs.planes, strict=True))


def test_times_colours_and_what_the_user_attached_are_kept() -> None:
    frames = video_frames()
    frames[2].opaque = "mine"
    outputs = list(upscale_frames(frames, model="nearest-temporal"))
    for attribute in ("pts", "duration", "opaque", "colorspace", "color_range", "color_primaries", "color_trc"):
        assert [getattr(frame, attribute) for frame in outputs] == [getattr(frame, attribute) for frame in frames]
    assert {Fraction(frame.time_base.numerator, frame.time_base.denominator) for frame in outputs} == {
        Fraction(1, 1000)
    }
    assert [getattr(frame, "chroma_location", 3) for frame in outputs] == [3, 3, 3, 3]


def test_frames_that_name_no_matrix_come_with_the_one_that_was_used() -> None:
    (output,) = upscale_frames([av.VideoFrame(16, 16, "yuv420p")], model="nearest")
    assert (output.colorspace, output.color_range, output.color_primaries, output.color_trc) == (6, 0, 2, 2)


@pytest.mark.parametrize("matrix", ["bt709", "709", 1])
def test_the_matrix_of_untagged_frames_has_a_number_or_a_name(matrix: int | str) -> None:
    (output,) = upscale_frames([av.VideoFrame(16, 16, "yuv420p")], model="nearest", matrix=matrix)
    assert output.colorspace == 1


def test_what_cannot_be_taken_is_an_error_at_once() -> None:
    for unknown, hint in (("denoize", "did you mean 'denoise'"), ("foo", "allowed: model, ")):
        with pytest.raises(TypeError, match=f"no argument '{unknown}'; {hint}"):
            upscale_frames([], **{unknown: 0.5})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="matrix is 3"):
        upscale_frames([], model="nearest", matrix=3)


@pytest.mark.parametrize("frame", [av.AudioFrame(), np.zeros((16, 16, 3), np.uint8), "clip.mkv"])
def test_what_is_no_video_frame_is_named(frame: object) -> None:
    with pytest.raises(FormatError, match=r"frame 0 is a \w+, allowed: av.VideoFrame"):
        next(upscale_frames([frame], model="nearest"))  # type: ignore[list-item]


@pytest.mark.parametrize(("height", "matrix"), [(574, 6), (575, 6), (576, 5), (577, 1), (287, 6), (288, 5)])
def test_the_matrix_is_chosen_by_the_height_before_padding(height: int, matrix: int) -> None:
    (output,) = upscale_frames([av.VideoFrame(16, height, "yuv420p")], model="nearest")
    assert output.colorspace == matrix


def through_a_file(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame as an encoder and a decoder leave it: x264 attaches its settings."""
    file = BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = frame.width, frame.height
        out.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file, "r") as written:
        return next(written.decode(video=0))


def test_side_data_is_kept_and_the_picture_type_is_not() -> None:
    frame = through_a_file(video_frames(1)[0])
    (output,) = upscale_frames([frame], model="nearest")
    assert (frame.side_data[0].type, bytes(frame.side_data[0])) == (
        output.side_data[0].type,
        bytes(output.side_data[0]),
    )
    assert (frame.pict_type, output.pict_type) == (1, 0)
    assert (output.pts, output.time_base, output.duration) == (frame.pts, frame.time_base, frame.duration)


def test_side_data_changes_no_pixel() -> None:
    frame = through_a_file(video_frames(1)[0])
    bare = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for ours, theirs in zip(planes(bare), planes(frame), strict=True):
        ours[...] = theirs
    (output,), (plain,) = upscale_frames([frame], model="nearest"), upscale_frames([bare], model="nearest")
    assert all((a == b).all() for a, b in zip(planes(output), planes(plain), strict=True))


def test_the_format_can_be_another_and_alpha_is_opaque_where_there_was_none() -> None:
    (output,) = upscale_frames([flat("rgb24", 0.4)], model="nearest", format="rgba64le")
    raw = to_raw_frame(output)
    assert output.format.name == "rgba64le"
    assert raw.alpha is not None
    assert (raw.alpha == 65535).all()


def test_bytes_that_are_no_components_are_defined() -> None:
    (output,) = upscale_frames([flat("bgr0", 0.4)], model="nearest")
    assert (np.frombuffer(output.planes[0], np.uint8)[3 : 4 * output.width : 4] == 255).all()


def test_frames_that_are_not_active_are_chosen_by_the_callers_own_frames() -> None:
    plain = list(upscale_frames(video_frames(), model="nearest", active=lambda frame: frame.pts != 7))
    networks = list(upscale_frames(video_frames(), model="nearest"))
    alike = [bool((planes(a)[0] == planes(b)[0]).all()) for a, b in zip(plain, networks, strict=True)]
    assert alike == [False, True, True, True]


def test_a_frame_upside_down_in_memory_is_read_from_its_top() -> None:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=24, height=16, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25))
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    graph.push(video_frames(1)[0])
    flipped = graph.pull()
    assert isinstance(flipped, av.VideoFrame)
    assert flipped.planes[0].line_size < 0
    assert (planes(flipped)[0] == planes(video_frames(1)[0])[0][::-1]).all()


def after_filter(frames: list[av.VideoFrame], name: str, options: str = "") -> list[av.VideoFrame]:
    """The frames after a filter of FFmpeg."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=24, height=16, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25))
    mark, sink = graph.add(name, options), graph.add("buffersink")
    source.link_to(mark)
    mark.link_to(sink)
    graph.configure()
    for frame in frames:
        graph.push(frame)
    outputs = [graph.pull() for _ in frames]
    return [frame for frame in outputs if isinstance(frame, av.VideoFrame)]


def test_interlaced_frames_are_upscaled_with_one_warning_and_stay_interlaced(caplog: pytest.LogCaptureFixture) -> None:
    frames = video_frames(2)
    with caplog.at_level(logging.WARNING):
        outputs = list(upscale_frames(after_filter(frames, "setfield", "tff"), model="nearest"))
    assert [output.interlaced_frame for output in outputs] == [True, True]
    assert [record.message for record in caplog.records if "frame 0 is interlaced" in record.message] == caplog.messages
    assert len(caplog.messages) == 1
    for output, plain in zip(outputs, upscale_frames(frames, model="nearest"), strict=True):
        assert all((a == b).all() for a, b in zip(planes(output), planes(plain), strict=True))


def test_metadata_of_filters_is_kept_where_there_is_no_side_data() -> None:
    frames = after_filter(video_frames(1), "signalstats")
    (output,), (bare,) = (upscale_frames(frames, model="nearest", side_data=kept) for kept in (True, False))
    assert "lavfi.signalstats.YMIN" in output.metadata
    assert dict(output.metadata) == dict(frames[0].metadata)
    assert not bare.metadata


def test_a_format_that_cannot_be_taken_is_refused_in_one_line() -> None:
    with pytest.raises(FormatError, match="'pal8'"):
        list(upscale_frames([av.VideoFrame(8, 8, "pal8")], model="nearest"))


@pytest.mark.parametrize("out", [None, "yuv444p"])
def test_rgb_may_have_the_matrix_of_the_yuv_that_it_was(out: str | None) -> None:
    frame = flat("yuv444p", 0.4)
    frame.colorspace = 1
    rgb = frame.reformat(format="rgb24")
    assert int(rgb.colorspace) == 1
    untagged = av.VideoFrame.from_ndarray(rgb.to_ndarray(), "rgb24")
    first, second = (*upscale_frames([rgb, untagged], model="nearest", format=out),)
    assert int(first.colorspace) == int(second.colorspace)
    assert (first.to_ndarray() == second.to_ndarray()).all()


def test_a_format_that_is_no_name_is_refused_at_once() -> None:
    wrong: Any = av.VideoFormat("rgb24")
    with pytest.raises(UsageError, match=r"^format is <av\.VideoFormat rgb24.*, allowed: the name of an FFmpeg pixel"):
        upscale_frames([], model="nearest", format=wrong)
