"""Frames out of a decoder's pipe, and which of its lines are complaints."""

from __future__ import annotations

import os
from fractions import Fraction

import pytest

from ffmpeg_filter.receive import Words, is_no_complaint, read
from ffmpeg_filter.shown import Shown
from vsadcvsr.errors import MediaError

SHOWN = Shown(
    pts=3, duration=2, time_base=Fraction(1, 50), format="gray", width=8, height=4, sar=None, field="P", range="pc"
)


def piped(data: bytes) -> int:
    readable, writable = os.pipe()
    with os.fdopen(writable, "wb") as file:
        file.write(data)
    return readable


def test_a_frame_has_its_pixels_its_time_and_its_range() -> None:
    words = Words()
    words.put(SHOWN)
    [(frame, shown)] = read(piped(bytes(range(32))), words)
    assert shown is SHOWN
    assert (frame.pts, frame.duration, int(frame.color_range)) == (3, 2, 2)
    assert frame.to_ndarray().tobytes() == bytes(range(32))


def test_a_stream_that_ends_within_a_frame_is_an_error() -> None:
    words = Words()
    words.put(SHOWN)
    with pytest.raises(MediaError, match="break off within a frame"):
        list(read(piped(bytes(31)), words))


@pytest.mark.parametrize(
    ("line", "idle"),
    [
        (
            "[null @ 0x1] [warning] Application provided invalid, non monotonically increasing dts to muxer: 3 >= 2",
            True,
        ),
        ("[info] Stream mapping:", True),
        ("[h264 @ 0x1] [error] error while decoding MB 1 2", False),
    ],
)
def test_times_that_raw_video_does_not_mind_are_no_complaint(line: str, *, idle: bool) -> None:
    assert is_no_complaint(line) is idle
