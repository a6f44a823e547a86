"""YUV4MPEG2: what is written is what is read, and FFmpeg reads it too."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.media.frame import RawFrame, VideoFormat
from ffmpeg_filter.upscale.y4m import read, run, write
from ffmpeg_filter.upscale.y4m_header import FORMATS, Header
from tests.ffmpeg_filter.clips import filtered, raws
from tests.plugin.clips import moving
from vsadcvsr.errors import FormatError, MediaError, UsageError

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    return Header(
        width=draw(st.integers(1, 9)),
        height=draw(st.integers(1, 9)),
        rate=draw(st.sampled_from(["", "25:1", "30000:1001", "0:0"])),
        interlacing=draw(st.sampled_from(["", "p", "t", "b", "m", "?"])),
        aspect=draw(st.sampled_from(["", "0:0", "1:1", "128:117"])),
        chroma=draw(st.sampled_from(["", *FORMATS])),
        others=tuple("X" + word for word in draw(st.lists(WORDS, max_size=3))),
    )


def frame_of(header: Header, seed: int, tag: str = "") -> RawFrame:
    random, form = np.random.default_rng(seed), header.format
    sizes = [form.size(plane, header.width, header.height) for plane in range(form.planes + header.has_alpha)]
    planes = [random.integers(0, 1 << form.bits, (height, width)).astype(form.dtype) for width, height in sizes]
    alpha = planes.pop() if header.has_alpha else None
    return RawFrame(form, header.width, header.height, tuple(planes), alpha, header.props, tag)


def written(header: Header, *frames: RawFrame) -> bytes:
    stream = BytesIO()
    write(stream, header, frames)
    return stream.getvalue()


def clip_y4m(length: int = 4, tags: str = "F25:1 Ip A4:3 C420jpeg XCOLORRANGE=LIMITED") -> bytes:
    header = Header.parse(f"YUV4MPEG2 W24 H16 {tags}")
    return written(header, *(replace(raw, tag="") for raw in raws(moving(length=length))))


@given(headers())
def test_a_header_reads_as_it_was_written(header: Header) -> None:
    assert Header.parse(str(header)) == header


@given(headers(), st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["", " Ip", " Xa=b"])), max_size=3))
def test_frames_read_as_they_were_written(header: Header, seeds: list[tuple[int, str]]) -> None:
    frames = [frame_of(header, seed, tag) for seed, tag in seeds]
    again, result = read(BytesIO(written(header, *frames)))
    assert again == header
    for before, after in zip(frames, result, strict=True):
        assert (before.format, before.tag, before.props) == (after.format, after.tag, after.props)
        for first, second in zip([*before.planes, before.alpha], [*after.planes, after.alpha], strict=True):
            assert (first is None) == (second is None)
            assert np.array_equal(first, second)  # type: ignore[arg-type]


@pytest.mark.parametrize("chroma", ["420jpeg", "422", "444", "411", "mono", "444alpha", "420p10", "444p16", "mono12"])
def test_ffmpeg_reads_what_is_written(chroma: str) -> None:
    header = Header(width=16, height=8, rate="25:1", interlacing="p", aspect="4:3", chroma=chroma)
    frames = [frame_of(header, 1), frame_of(header, 2, " Xa")]
    with av.open(BytesIO(written(header, *frames)), "r", format="yuv4mpegpipe") as file:
        result = [to_raw_frame(frame) for frame in file.decode(video=0)]
        assert file.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    for ours, theirs in zip(frames, result, strict=True):
        assert ours.is_like(theirs)
        assert all((a == b).all() for a, b in zip(ours.planes, theirs.planes, strict=True))


@pytest.mark.parametrize(
    ("tags", "props"),
    [
        ("C420mpeg2", {"_ChromaLocation": 0}),
        ("C420jpeg", {"_ChromaLocation": 1}),
        ("", {"_ChromaLocation": 1}),
        ("C420paldv", {"_ChromaLocation": 2}),
        ("C420", {}),
        ("C444 A128:117", {"_SARNum": 128, "_SARDen": 117}),
        ("C444 A0:0 XCOLORRANGE=FULL", {"_Range": 1}),
        ("C444 XCOLORRANGE=LIMITED Xmine", {"_Range": 0}),
    ],
)
def test_the_header_describes_every_frame(tags: str, props: dict[str, int]) -> None:
    assert Header.parse(f"YUV4MPEG2 W8 H8 {tags}").props == props


def upscaled(data: bytes, **options: Any) -> tuple[Header, list[RawFrame]]:
    out = BytesIO()
    run(BytesIO(data), out, model="nearest", **options)
    header, frames = read(BytesIO(out.getvalue()))
    return header, list(frames)


def test_running_gives_the_bits_of_the_filter_and_keeps_the_header() -> None:
    header, frames = upscaled(clip_y4m())
    clip = moving(length=4).std.SetFrameProps(_ChromaLocation=1)
    assert str(header) == "YUV4MPEG2 W96 H64 F25:1 Ip A4:3 C420jpeg XCOLORRANGE=LIMITED"
    for ours, theirs in zip(frames, filtered(clip, model="nearest"), strict=True):
        assert all((a == b).all() for a, b in zip(ours.planes, theirs.planes, strict=True))


def test_another_shape_and_format_are_written_into_the_header() -> None:
    header, frames = upscaled(
        clip_y4m(tags="A4:3 C420jpeg XYSCSS=420JPEG Xmine"), width=96, height=32, format="yuv444p10le"
    )
    assert str(header) == "YUV4MPEG2 W96 H32 A2:3 C444p10 Xmine"
    assert frames[0].planes[1].dtype == np.uint16


@pytest.mark.parametrize(("location", "tag"), [(0, "420mpeg2"), (1, "420jpeg"), (2, "420paldv"), (3, "420")])
def test_the_tag_of_subsampled_frames_says_where_chroma_is(location: int, tag: str) -> None:
    raw = frame_of(Header(width=4, height=4, chroma="420"), 0)
    header = Header(width=4, height=4, chroma="444").for_output(replace(raw, props={"_ChromaLocation": location}))
    assert header.chroma == tag


def test_formats_that_have_no_tag_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="cannot hold RGB 8 bit; use YUV or grey"):
        upscaled(clip_y4m(), format="gbrp")


def test_interlaced_input_is_upscaled_with_a_warning_and_keeps_its_tag(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        header, _ = upscaled(clip_y4m(length=1, tags="It C420"))
    assert header.interlacing == "t"
    assert ["interlaced (It)" in message for message in caplog.messages] == [True]


@pytest.mark.parametrize("missing", [1, 100, 24 * 16 * 3 // 2])
def test_a_torn_last_frame_is_an_error_behind_the_whole_ones(missing: int) -> None:
    _, frames = read(BytesIO(clip_y4m(length=2)[:-missing]))
    next(frames)
    with pytest.raises(MediaError, match=rf"frame 1 is incomplete: the input ends after {576 - missing} of its 576"):
        next(frames)


@pytest.mark.parametrize(("data", "message"), [
    (b"", "the input is empty"),
    (b"YUV4MPEG2 W8 H8\n", "a header, but no frame"),
    (b"YUV4MPEG2 W8 H8\nFRA", "frame 0 begins with b'FRA', expected: FRAME"),
    (b"YUV4MPEG2 W8 H8\nFRAME", "frame 0 begins with b'FRAME', expected: FRAME"),
])  # fmt: skip
def test_foreign_streams_are_refused_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        upscaled(data)


@pytest.mark.parametrize(("chroma", "size"), [("420p10", 7 * 4 * 2 + 2 * 2 * 7), ("422p12", 7 * 4 * 2 + 2 * 4 * 7)])
def test_the_short_lines_of_ffmpeg_5_1_are_named(chroma: str, size: int) -> None:
    data = f"YUV4MPEG2 W7 H4 C{chroma}\n".encode() + 3 * (b"FRAME\n" + bytes(size))
    with pytest.raises(MediaError, match=r"expected: FRAME; FFmpeg 5\.1 writes odd widths of over 8 bits"):
        upscaled(data)


@pytest.mark.parametrize("line", ["RIFF", "YUV4MPEG2", "YUV4MPEG2 W8", "YUV4MPEG2 W0 H8", "YUV4MPEG2 Wx H8"])
def test_headers_that_are_none_are_refused_in_one_line(line: str) -> None:
    with pytest.raises(FormatError, match="expected: YUV4MPEG2"):
        Header.parse(line)


def test_a_colour_space_that_is_not_known_is_refused_in_one_line() -> None:
    with pytest.raises(FormatError, match=r"C420p11, allowed: .*; did you mean '420p1"):
        Header.parse("YUV4MPEG2 W8 H8 C420p11")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    class Gone(BytesIO):
        def write(self, data: Any) -> int:
            raise BrokenPipeError(len(data))

    out = Gone()
    run(BytesIO(clip_y4m()), out, model="nearest")
    assert out.closed


def test_samples_come_in_pieces_as_pipes_give_them() -> None:
    class Pieces(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 100))

    _, frames = read(Pieces(clip_y4m()))
    assert len(list(frames)) == 4


def test_depths_above_eight_are_little_endian() -> None:
    header = Header(width=1, height=1, chroma="mono10")
    raw = RawFrame(VideoFormat("GRAY", 10), 1, 1, (np.array([[0x0102]], ">u2"),))
    assert written(header, raw).endswith(b"FRAME\n\x02\x01")


def test_options_may_depend_on_the_size_that_the_header_tells() -> None:
    out = BytesIO()
    run(BytesIO(clip_y4m()), out, model="nearest", sized=lambda width, height: {"width": width, "height": 2 * height})
    source, result = (read(BytesIO(data))[0] for data in (clip_y4m(), out.getvalue()))
    assert (result.width, result.height) == (source.width, 2 * source.height)
