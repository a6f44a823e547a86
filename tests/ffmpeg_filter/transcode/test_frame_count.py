"""The progress counts up to what will be made, or to nothing where that cannot be known."""

from __future__ import annotations

import io
import re
import shlex
from fractions import Fraction

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.transcode.frame_count import expected_frames
from ffmpeg_filter.transcode.progress import make_reporter

FILM = InputInfo((InputStream(index=0, kind="video", frames=100, rate=Fraction(10)),), 10.0)
NO_COUNT = InputInfo((InputStream(index=0, kind="video", rate=Fraction(10)),), 10.0)
ENDLESS = InputInfo((InputStream(index=0, kind="video", rate=Fraction(10)),))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_total_that_turns_out_too_small_is_not_shown(stream: io.StringIO) -> None:
    with make_reporter(2, enabled=True, stream=stream) as live:
        for number in range(3):
            live.frame(number / 25)
    last = re.findall(r"(?:frame=|adcvsr.*?)(\d/\d|\d/\?|\d) f", stream.getvalue())[-1]
    assert last in {"3", "3/?"}


def total(arguments: str, facts: InputInfo = FILM, *filters: str) -> int | None:
    command = parse(shlex.split(arguments))
    return expected_frames(command.inputs[0], command.outputs[0], facts, filters)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ("-i a b", 100), ("-stream_loop 2 -i a b", 300), ("-t 3 -i a b", 30), ("-i a -t 3 b", 30), ("-i a -to 3 b", 30),
        ("-ss 2 -i a b", 80), ("-ss 2 -i a -t 3 b", 30), ("-ss 2 -to 5 -i a b", 30), ("-ss 9 -i a -t 3 b", 10),
        ("-i a -ss 2 b", 80), ("-i a -ss 2 -to 5 b", 30), ("-sseof -3 -i a b", 30), ("-i a -frames:v 7 b", 7),
        ("-i a -vframes 7 b", 7), ("-i a -frames:v 700 b", 100), ("-r 20 -i a b", 100), ("-r 20 -i a -t 1 b", 20),
        ("-stream_loop 2 -t 15 -i a b", 150), ("-stream_loop -1 -i a b", None), ("-stream_loop -1 -i a -t 5 b", 50),
        ("-loop 1 -i a -t 5 b", 50), ("-t 0:00:03 -i a b", 30), ("-ss 20 -i a b", 0),
    ],
)  # fmt: skip
def test_limits_and_loops_count(arguments: str, count: int | None) -> None:
    assert total(arguments) == count
    assert total(arguments, NO_COUNT) == count


def test_what_is_not_known_is_not_guessed() -> None:
    assert total("-i a b", ENDLESS) is None
    assert total("-i a -t 2 b", ENDLESS) == 20
    assert total("-i a -frames:v 5 b", InputInfo((InputStream(index=0, kind="video"),))) == 5
    assert total("-i a b", InputInfo()) is None
    assert total("-i a b", FILM, "null", "bwdif") is None
    assert total("-i a b", FILM, "null", "hqdn3d") == 100
