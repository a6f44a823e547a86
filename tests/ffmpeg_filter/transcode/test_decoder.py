"""Frames out of a decoder's pipe, and which of its lines are complaints."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from fractions import Fraction

import pytest

from ffmpeg_filter.media.showinfo import FrameInfo
from ffmpeg_filter.transcode.decoder import FrameInfoQueue, is_harmless, read_frames
from vsadcvsr.errors import MediaError

SHOWN = FrameInfo(
    pts=3, duration=2, time_base=Fraction(1, 50), format="gray", width=8, height=4, sar=None, field="P", range="pc"
)


def piped(data: bytes) -> int:
    readable, writable = os.pipe()
    with os.fdopen(writable, "wb") as file:
        file.write(data)
    return readable


def test_a_frame_has_its_pixels_its_time_and_its_range() -> None:
    words = FrameInfoQueue()
    words.put(SHOWN)
    [(frame, shown)] = read_frames(piped(bytes(range(32))), words)
    assert shown is SHOWN
    assert (frame.pts, frame.duration, int(frame.color_range)) == (3, 2, 2)
    assert frame.to_ndarray().tobytes() == bytes(range(32))


def test_a_stream_that_ends_within_a_frame_is_an_error() -> None:
    words = FrameInfoQueue()
    words.put(SHOWN)
    with pytest.raises(MediaError, match="ends within a frame"):
        list(read_frames(piped(bytes(31)), words))


def test_words_that_come_late_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffmpeg_filter.transcode.decoder._INFO_SECONDS", 0.01)
    words = FrameInfoQueue()
    for number in (0, 1):
        threading.Timer(0.2 + number / 10, words.put, [replace(SHOWN, number=number)]).start()
    pictures = [frame.to_ndarray().tobytes() for frame, _ in read_frames(piped(bytes(range(64))), words)]
    assert pictures == [bytes(range(32)), bytes(range(32, 64))]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_frame_without_words_is_an_error_at_once(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for what a decoder says that waits itself, for room in the pipe, before its next frame."""
    monkeypatch.setattr("ffmpeg_filter.transcode.decoder._INFO_SECONDS", 0.01)
    size = 1 << 17
    large = replace(SHOWN, width=size, height=1)
    words, (readable, writable) = FrameInfoQueue(), os.pipe()

    def decode() -> None:
        with os.fdopen(writable, "wb", buffering=0) as file:
            for number in range(3):
                if number != lost:
                    words.put(replace(large, number=number))
                file.write(bytes(size))
        words.close()

    decoder = threading.Thread(target=decode)
    decoder.start()
    with pytest.raises(MediaError, match="a frame without a line of showinfo"):
        list(read_frames(readable, words))
    with os.fdopen(readable, "rb") as rest:
        rest.read()
    decoder.join(20)
    assert not decoder.is_alive()


def test_numbers_begin_again_where_a_source_changes_its_size() -> None:
    words = FrameInfoQueue()
    for number in (0, 1, 0, 1, 2):
        words.put(replace(SHOWN, number=number))
    assert len(list(read_frames(piped(bytes(32 * 5)), words))) == 5


@pytest.mark.parametrize(
    ("line", "idle"),
    [
        (
            "[null @ 0x1] [warning] Application provided invalid, non monotonically increasing dts to muxer: 3 >= 2",
            True,
        ),
        ("[info] Stream mapping:", True),
        ("[rawvideo @ 0x1] [warning] The bitrate parameter is set too low. It takes bits/s as argument", True),
        ("[h264 @ 0x1] [error] error while decoding MB 1 2", False),
    ],
)
def test_times_that_raw_video_does_not_mind_are_no_complaint(line: str, *, idle: bool) -> None:
    assert is_harmless(line) is idle
