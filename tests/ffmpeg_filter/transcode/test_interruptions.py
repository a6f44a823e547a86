"""Commands that are cut off in the middle: by a signal, by the death of one program, by damage in the source."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import av
import pytest

from tests.ffmpeg_filter.files import (
    NEAREST,
    PICTURES,
    command,
    decoded,
    ffadcvsr,
    ffmpeg,
    skip_if_it_crashes,
    surroundings,
)
from tests.waiting import meanwhile, wait_until

LIVE = "-nostats -re -f lavfi -i testsrc2=s=64x48:r=25:d=30"
DECODER, ENCODER = b"showinfo@adcvsr", b"-i\0pipe:0"
PATIENCE = 90.0
"""Seconds; far more than anything takes on a busy machine."""


def children(parent: int) -> dict[int, bytes]:
    """The command lines of a process's children."""
    result = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                result[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:
            pass
    return result


def child(parent: int, mark: bytes) -> int:
    """The number of a child with that in its command line, once there is one that is FFmpeg by now."""

    def look() -> int | None:
        lines = children(parent).items()
        return next((number for number, line in lines if mark in line and b"-ISc" not in line), None)

    return wait_until(look, f"a child with {mark!r}")


def wait_for_end(number: int) -> None:
    def has_ended() -> bool:
        try:
            return not Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            return True

    wait_until(has_ended, f"the end of process {number}")


@contextmanager
def started(
    *arguments: str | Path, stdin: int | None = None, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Our command in a process of its own, which is ended on leaving."""
    with subprocess.Popen(command(*arguments), env=surroundings(), stdin=stdin, stdout=stdout) as ours:
        try:
            yield ours
        finally:
            ours.kill()


def sent(number: signal.Signals, mark: bytes | None = None) -> AbstractContextManager[None]:
    """Sends a signal to the child with that mark, or else to us, a moment after the encoder has begun."""

    def send() -> None:
        child(os.getpid(), ENCODER)
        time.sleep(0.4)
        os.kill(child(os.getpid(), mark) if mark else os.getpid(), number)

    return meanwhile(send)


@pytest.mark.parametrize(("mark", "name"), [(DECODER, "decoder"), (ENCODER, "encoder")])
def test_a_program_that_is_killed_is_an_error(
    mark: bytes, name: str, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with sent(signal.SIGKILL, mark):
        assert ffadcvsr(LIVE, f"-vf {NEAREST} -c:v ffv1", out) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"the {name} was killed by signal 9" in line
    assert not children(os.getpid())
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_what_is_done_as_a_whole_file_of_another_name(
    number: signal.Signals, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with sent(number):
        assert ffadcvsr(LIVE, f"-vf {NEAREST} -c:v ffv1", out) == 255
    part = out.with_name("out.adcvsr-part.mkv")
    assert str(part) in capfd.readouterr().err
    assert 0 < len(decoded(part)) < 100
    assert not out.exists()
    assert not children(os.getpid())
    assert signal.getsignal(number) == before


def test_ctrl_c_ends_inputs_that_would_go_on_for_ever(out: Path) -> None:
    with sent(signal.SIGINT):
        assert ffadcvsr(LIVE, f"-f lavfi -i sine -map 0:v -map 1:a -vf {NEAREST} -c:v ffv1", out) == 255
    assert decoded(out.with_name("out.adcvsr-part.mkv"))
    assert not children(os.getpid())


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a signal of Unix")
def test_a_terminal_that_is_closed_ends_it_as_ctrl_c_does(out: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, by us as well
    try:
        with sent(signal.SIGHUP):
            assert ffadcvsr(LIVE, f"-vf {NEAREST} -c:v ffv1", out) == 255
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not out.exists()
    assert not children(os.getpid())


@pytest.mark.skipif(not shutil.which("setsid"), reason="the terminal is given with setsid")
@pytest.mark.parametrize("is_terminal", [True, False])
def test_q_ends_the_video_there_and_well(*, is_terminal: bool, out: Path) -> None:
    ours, theirs = os.openpty() if is_terminal else os.pipe()[::-1]
    arguments = ["setsid", "--ctty"] if is_terminal else []
    argv = [*arguments, *command(LIVE, f"-vf {NEAREST} -c:v ffv1", out)]
    with subprocess.Popen(argv, env=surroundings(), stdin=theirs) as process:
        child(process.pid, ENCODER)
        time.sleep(0.4)
        os.write(ours, b"q")
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    os.close(theirs)
    assert 0 < len(decoded(out)) < 700


def test_input_that_is_not_keys_is_left_to_others(clip: Path, out: Path) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"quite another name\n")
    with started("-i", clip, f"-vf {NEAREST} -c:v ffv1", out, stdin=ours) as process:
        assert process.wait(PATIENCE) == 0
    assert os.read(ours, 99) == b"quite another name\n"
    os.close(ours)
    os.close(theirs)
    assert len(decoded(out)) == 10


def test_ctrl_c_is_heard_before_the_first_frame(out: Path) -> None:
    arguments = f"-f lavfi -i testsrc2=s=64x48 -vf select=0,{NEAREST}"
    with started(arguments, out, stdin=subprocess.PIPE) as ours:
        decoder = child(ours.pid, DECODER)
        time.sleep(0.4)
        ours.send_signal(signal.SIGINT)
        assert ours.wait(PATIENCE) == 255
    wait_for_end(decoder)
    assert not out.exists()


def test_ctrl_c_twice_ends_a_command_whose_output_is_not_read() -> None:
    arguments = f"-nostats -f lavfi -i testsrc2=s=64x48 -vf {NEAREST} -c:v rawvideo -f matroska -"
    with started(arguments, stdout=subprocess.PIPE) as ours:
        encoder = child(ours.pid, ENCODER)
        time.sleep(0.5)
        ours.send_signal(signal.SIGINT)
        time.sleep(0.5)
        ours.send_signal(signal.SIGINT)
        assert ours.wait(PATIENCE) == 255
    wait_for_end(encoder)


def test_children_end_with_us_and_leave_no_finished_file(out: Path) -> None:
    with started(LIVE, f"-vf {NEAREST} -c:v ffv1", out) as ours:
        numbers = [child(ours.pid, mark) for mark in (ENCODER, DECODER)]
        time.sleep(0.4)
        ours.kill()
    for number in numbers:
        wait_for_end(number)
    assert not out.exists()


def memory() -> float:
    """What this process holds, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_an_encoder_that_stands_still_makes_nothing_grow(out: Path) -> None:
    grown = list[float]()

    def stop() -> None:
        encoder = child(os.getpid(), ENCODER)
        time.sleep(0.3)
        os.kill(encoder, signal.SIGSTOP)
        time.sleep(1.0)  # the queues fill
        before = memory()
        time.sleep(1.0)
        grown.append(memory() - before)
        os.kill(encoder, signal.SIGCONT)

    source = "-nostats -f lavfi -i color=s=320x180:r=25:d=6"
    with meanwhile(stop):
        assert ffadcvsr(source, f"-vf {NEAREST} -c:v libx264 -preset ultrafast", out) == 0
    assert grown[0] < 20  # the queues hold less; a second of its pictures would be more
    with av.open(str(out)) as file:
        assert sum(bool(packet.size) for packet in file.demux(video=0)) == 150


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Twenty frames of MPEG-2 in a transport stream, with bytes turned over in their midst."""
    path = tmp_path / "damaged.ts"
    ffmpeg(PICTURES.replace("d=0.4", "d=0.8"), "-c:v mpeg2video -g 5 -q:v 2", path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    for place in range(middle, middle + 4000, 5):
        data[place] ^= 0xFF
    path.write_bytes(data)
    skip_if_it_crashes(path)
    return path


def test_damage_is_counted_and_what_decodes_is_kept(
    damaged: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ffadcvsr("-nostats -i", damaged, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert "warning: the source is damaged: " in capfd.readouterr().err
    assert len(decoded(out)) >= 15


def test_on_corrupt_fail_ends_without_an_output(damaged: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ffadcvsr("-nostats -adcvsr_on_corrupt fail -i", damaged, f"-vf {NEAREST} -c:v ffv1", out) == 1
    assert "the output is not finished" in capfd.readouterr().err
    assert not out.exists()
    assert not children(os.getpid())
