"""How the command for YUV4MPEG2 ends: torn and foreign inputs, outputs that take no more, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from io import BytesIO

import pytest

from ffmpeg_filter.cli import main
from ffmpeg_filter.upscale.y4m import run
from tests.ffmpeg_filter.files import command, surroundings
from tests.requirements import requires
from vsadcvsr.errors import AdcvsrError

HEAD = b"YUV4MPEG2 W16 H16 F25:1 Ip C420jpeg\n"
FRAME = b"FRAME\n" + bytes(range(128)) * 3
LARGE = len(FRAME) + 3 * (len(FRAME) - len(b"FRAME\n"))
"""Bytes of a frame at scale 2."""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (HEAD, "a header, but no frame"),
        (HEAD[:-1], "a header, but no frame"),
        (HEAD[:-1] + b" X" + b"x" * 9000 + b"\n" + FRAME, "header is longer than 4096 bytes"),
        (HEAD.replace(b"W16", b"W70000") + FRAME, "frames are 70000x16, allowed: up to 65536x65536"),
        (HEAD.replace(b"W16", b"W" + b"9" * 3000) + FRAME, "a width and a height"),
        (HEAD.replace(b"W16", b"W65536").replace(b"H16", b"H65536") + FRAME, "frame 0 is incomplete"),
        (HEAD.replace(b"C420jpeg", b"C420p11") + FRAME, "colour space is C420p11"),
        (HEAD + FRAME.replace(b"FRAME", b"FRAMES"), "frame 0 begins with"),
        (bytes(range(256)) * 40, "input begins with"),
    ],
)
def test_input_that_is_no_clip_is_reported_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(AdcvsrError, match=message) as error:
        run(BytesIO(data), BytesIO(), model="nearest")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rest", [FRAME[:-1], b"FRAME", b"\n", HEAD + FRAME, b"FRAMEX\n" + FRAME[6:]])
def test_the_frames_before_a_torn_one_are_given_out(rest: bytes) -> None:
    out = BytesIO()
    with pytest.raises(AdcvsrError, match="frame 3"):
        run(BytesIO(HEAD + FRAME * 3 + rest), out, model="nearest", scale=2)
    assert len(out.getvalue().partition(b"\n")[2]) == 3 * LARGE


def ended(data: bytes, redirection: str) -> subprocess.CompletedProcess[bytes]:
    arguments = ["bash", "-c", f'"$@" {redirection}', "bash", *command("y4m model=nearest:scale=2")]
    return subprocess.run(arguments, input=data, capture_output=True, timeout=60, env=surroundings(), check=False)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_its_help_lists_the_options_and_reads_nothing(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["y4m", option]) == 0
    output = capsys.readouterr().out
    assert output.startswith("usage: ffadcvsr y4m [key=value:...]")
    assert "   denoise " in output


@pytest.mark.parametrize("redirection", [">&-", "<&-", "> /dev/full", "< /dev/null"])
def test_streams_that_cannot_be_used_are_one_line(redirection: str) -> None:
    if "full" in redirection:
        requires("linux")  # which has such a device
    result = ended(HEAD + FRAME, redirection)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(b"ffadcvsr: ")


def test_a_reader_that_goes_away_is_no_mistake() -> None:
    result = ended(HEAD + FRAME * 200, "| head -c 100")
    assert (len(result.stdout), result.stderr) == (100, b"")


def test_standard_error_may_be_closed() -> None:
    result = ended(HEAD + FRAME, "2>&-")
    assert (result.returncode, len(result.stdout.partition(b"\n")[2])) == (0, LARGE)


def test_a_terminal_is_not_waited_for() -> None:
    leader, terminal = os.openpty()
    with subprocess.Popen(
        command("y4m model=nearest"), stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings()
    ) as process:
        os.close(terminal)
        out, words = process.communicate(timeout=60)
    os.close(leader)
    assert (process.returncode, out) == (1, b"")
    assert b"standard input is a terminal" in words


def test_ctrl_c_ends_it_while_it_waits_for_a_frame() -> None:
    program = [sys.executable, "-c", _HEARS_CTRL_C, *command("y4m model=nearest:scale=2")[3:]]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(HEAD + FRAME * 9)
        process.stdin.flush()
        process.stdout.read(LARGE)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 255
        assert process.stderr.read() == b""


_HEARS_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored where a script runs this in the background
from ffmpeg_filter.program import run
run()
"""
