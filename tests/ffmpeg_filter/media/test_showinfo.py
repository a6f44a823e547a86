"""What `showinfo` prints is put together again, frame by frame, whatever else is printed between."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ffmpeg_filter.media.showinfo import FILTER, FrameInfo, ShowinfoParser

PLAIN = [
    "config in time_base: 1/90000, frame_rate: 30/1",
    "config out time_base: 0/0, frame_rate: 0/0",
    ("n:   0 pts:    210 pts_time:0.002 duration:   3000 fmt:yuv420p cl:left sar:32/27 s:720x480 i:T iskey:1 type:I "),
    "  side data - AVPanScan: (24 bytes)",
    "color_range:tv color_space:bt470bg color_primaries:unknown color_trc:unknown",
]
HDR10 = [
    "config in time_base: 1/15360, frame_rate: 30/1",
    "n:   7 pts:   3584 pts_time:0.2333 duration:    512 fmt:yuv420p10le cl:topleft sar:0/1 s:480x270 i:P iskey:0 ",
    (
        "  side data - Mastering display metadata: has_primaries:1 has_luminance:1 r(0.6800,0.3200) g(0.2650,0.6900) "
        "b(0.1500 0.0600) wp(0.3127, 0.3290) min_luminance=0.000100, max_luminance=1000.000000"
    ),
    "  side data - Content light level metadata: MaxCLL=1000, MaxFALL=400",
    "color_range:tv color_space:bt2020nc color_primaries:bt2020 color_trc:smpte2084",
]


def read(lines: list[str], prefix: str = f"[{FILTER} @ 0x55aa] [info] ") -> list[FrameInfo]:
    frames: list[FrameInfo] = []
    reader = ShowinfoParser(frames.append)
    assert all(reader.parse_line(prefix + line) for line in lines)
    return frames


def test_a_frame_is_parsed_with_its_exact_time_shape_and_colour() -> None:
    (frame,) = read(PLAIN)
    assert (frame.pts, frame.duration, frame.time_base) == (210, 3000, Fraction(1, 90000))
    assert (frame.width, frame.height, frame.format, frame.sar) == (720, 480, "yuv420p", Fraction(32, 27))
    assert (frame.range, frame.matrix, frame.primaries, frame.transfer) == ("tv", "bt470bg", None, None)
    assert frame.field == "T"


@pytest.mark.parametrize(("text", "duration"), [(" duration:      0", 0), (" duration: NOPTS", None), ("", None)])
def test_a_duration_of_zero_is_not_one_that_is_missing(text: str, duration: int | None) -> None:
    (frame,) = read([line.replace(" duration:   3000", text) for line in PLAIN])
    assert frame.duration == duration


@pytest.mark.parametrize("piece", [" color_space", " color_primaries", " color_trc"])
def test_a_line_that_another_thread_breaks_is_put_together(piece: str) -> None:
    head, tail = PLAIN[4].split(piece)
    (frame,) = read([*PLAIN[:4], f"{head} ac-tex damaged at 1 2", f"{piece}{tail}"])
    assert (frame.matrix, frame.primaries, frame.transfer) == ("bt470bg", None, None)
    (frame,) = read([*PLAIN[:4], f"{head}ac-tex damaged at 1 2", f"{piece}{tail}"])
    assert frame.pts == 210


@pytest.mark.parametrize("glued", range(len(HDR10)))
def test_a_line_that_another_thread_had_begun_is_read(glued: int) -> None:
    prefix = f"[{FILTER} @ 0x55aa] [info] "
    lines = [("  Stream #1:0: Video: mpeg2video, " if at == glued else prefix) + line for at, line in enumerate(HDR10)]
    lines[1] = lines[1].replace("n:   7", "n:   0")
    frames: list[FrameInfo] = []
    parser = ShowinfoParser(frames.append)
    assert all(parser.parse_line(line) for line in lines)
    assert frames[0].pts == 3584
    assert frames[0].time_base == Fraction(1, 15360)
    assert frames[0].mastering is not None
    assert (frames[0].content_light, frames[0].matrix) == ((1000, 400), "bt2020nc")


def test_text_of_another_thread_behind_a_frame_changes_none_of_its_facts() -> None:
    (frame,) = read([PLAIN[0], f"{PLAIN[2]}  Stream #1:0: Video: s:16x16 fmt:rgb24", PLAIN[4]])
    assert (frame.width, frame.height, frame.format) == (720, 480, "yuv420p")


def test_hdr_metadata_come_with_the_frame() -> None:
    (frame,) = read(HDR10)
    assert frame.mastering is not None
    assert (frame.mastering.green, frame.mastering.white) == ((0.265, 0.69), (0.3127, 0.329))
    assert (frame.mastering.darkest, frame.mastering.brightest) == (0.0001, 1000)
    assert frame.content_light == (1000, 400)
    assert frame.sar is None


def test_side_data_of_one_frame_are_not_those_of_the_next() -> None:
    frames = read([*HDR10, *PLAIN[2:]])
    assert [frame.content_light for frame in frames] == [(1000, 400), None]


def test_a_counter_before_the_line_does_no_harm() -> None:
    assert read(PLAIN, prefix=f"frame=   31 fps=0.0 q=-0.0 size=   11136KiB\r[{FILTER} @ 0x1] [info] ")


@pytest.mark.parametrize(
    "line", ["[Parsed_showinfo_0 @ 0x1] [info] " + PLAIN[2], "[h264 @ 0x1] [error] concealing", "", PLAIN[4]]
)
def test_other_lines_are_left_to_others(line: str) -> None:
    frames: list[FrameInfo] = []
    assert not ShowinfoParser(frames.append).parse_line(line)
    assert not frames


def test_a_frame_without_a_timestamp_has_none() -> None:
    (frame,) = read([PLAIN[0], PLAIN[2].replace("pts:    210", "pts:   NOPTS"), PLAIN[4]])
    assert frame.pts is None


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("  side data - A/53 closed captions (3 bytes)", "closed captions"),
        ("  side data - ATSC A53 Part 4 Closed Captions: (3 bytes)", "closed captions"),
        ("  side data - unknown side data type 15 (588 bytes)", "the ICC profile"),
        ("  side data - ICC profile: (588 bytes)", "the ICC profile"),
        ("  side data - EXIF metadata: (26 bytes)", "EXIF metadata"),
        ("  side data - stereoscopic information: type - side by side", "frame packing (stereo 3D)"),
        ("  side data - Stereo 3D: type - side by side, view - packed", "frame packing (stereo 3D)"),
        ("  side data - HDR10+ metadata: application version: 1", "HDR10+ metadata"),
        ("  side data - HDR Dynamic Metadata SMPTE2094-40 (HDR10+): application version: 1", "HDR10+ metadata"),
        ("  side data - User Data Unregistered:", None),
        ("  side data - QP table", None),
    ],
)
def test_side_data_that_pictures_will_lack_is_named_as_any_release_names_it(line: str, kind: str | None) -> None:
    (frame,) = read([PLAIN[0], PLAIN[2], line, PLAIN[4]])
    assert frame.lost_side_data(rotates=True) == ({kind} if kind else frozenset())


@pytest.mark.parametrize(
    "line", ["  side data - displaymatrix: rotation of -90.00 degrees", "  side data - 3x3 displaymatrix: "]
)
def test_a_rotation_that_ffmpeg_makes_itself_is_not_lost(line: str) -> None:
    (frame,) = read([PLAIN[0], PLAIN[2], line, PLAIN[4]])
    assert not frame.lost_side_data(rotates=True)
    assert frame.lost_side_data(rotates=False) == {"the display matrix (rotation)"}
