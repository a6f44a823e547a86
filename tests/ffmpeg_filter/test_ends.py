"""Commands that are cut off in the middle: by a signal, by the death of one program, by damage in the source."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from tests.ffmpeg_filter.media import NEAREST, PICTURES, command, decoded, ffadcvsr, ffmpeg, surroundings

LIVE = "-nostats -re -f lavfi -i testsrc2=s=64x48:r=25:d=30"
DECODER, ENCODER = b"showinfo@adcvsr", b"-i\0pipe:0"
PATIENCE = 20.0


def children(parent: int) -> dict[int, bytes]:
    """The command lines of a process's children."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:
            pass
    return found


def child(parent: int, mark: bytes) -> int:
    """The number of a child with that in its command line, once there is one that runs."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for number, line in children(parent).items():
            if mark in line:
                return number
        time.sleep(0.02)
    raise AssertionError(f"no {mark!r}: {children(parent)}")


def gone(number: int) -> bool:
    """Whether a process ends within a while."""
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{number}/cmdline").exists() and Path(f"/proc/{number}/cmdline").read_bytes():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def meanwhile(number: signal.Signals, mark: bytes | None = None, after: bytes = ENCODER) -> Iterator[None]:
    """Sends a signal to the child with that mark, or else to us, a moment after another child has begun."""

    def send() -> None:
        child(os.getpid(), after)
        time.sleep(0.4)
        os.kill(child(os.getpid(), mark) if mark else os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize(("mark", "name"), [(DECODER, "decoder"), (ENCODER, "encoder")])
def test_a_program_that_is_killed_is_an_error(
    mark: bytes, name: str, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with meanwhile(signal.SIGKILL, mark):
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
    with meanwhile(number):
        assert ffadcvsr(LIVE, f"-vf {NEAREST} -c:v ffv1", out) == 255
    part = out.with_name("out.adcvsr-part.mkv")
    assert str(part) in capfd.readouterr().err
    assert 0 < len(decoded(part)) < 100
    assert not out.exists()
    assert not children(os.getpid())
    assert signal.getsignal(number) == before


def test_ctrl_c_is_heard_before_the_first_frame(out: Path) -> None:
    with subprocess.Popen(command(f"-i - -an -vf {NEAREST}", out), env=surroundings(), stdin=subprocess.PIPE) as ours:
        decoder = child(ours.pid, DECODER)
        time.sleep(0.4)
        ours.send_signal(signal.SIGINT)
        assert ours.wait(PATIENCE) == 255
    assert gone(decoder)
    assert not out.exists()


def test_ctrl_c_twice_ends_a_command_whose_output_nobody_reads() -> None:
    words = f"-nostats -f lavfi -i testsrc2=s=64x48 -vf {NEAREST} -c:v rawvideo -f matroska -"
    with subprocess.Popen(command(words), env=surroundings(), stdout=subprocess.PIPE) as ours:
        encoder = child(ours.pid, ENCODER)
        time.sleep(0.5)
        ours.send_signal(signal.SIGINT)
        time.sleep(0.5)
        ours.send_signal(signal.SIGINT)
        assert ours.wait(PATIENCE) == 255
    assert gone(encoder)


def test_children_end_with_us_and_leave_no_finished_file(out: Path) -> None:
    with subprocess.Popen(command(LIVE, f"-vf {NEAREST} -c:v ffv1", out), env=surroundings()) as ours:
        numbers = [child(ours.pid, mark) for mark in (ENCODER, DECODER)]
        time.sleep(0.4)
        ours.kill()
    assert all(gone(number) for number in numbers)
    assert not out.exists()


def memory() -> float:
    """What this process holds, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_an_encoder_that_stands_still_makes_nothing_grow(out: Path) -> None:
    held = list[float]()

    def stop() -> None:
        encoder = child(os.getpid(), ENCODER)
        time.sleep(0.3)
        os.kill(encoder, signal.SIGSTOP)
        for _ in range(2):
            time.sleep(0.8)
            held.append(memory())
        os.kill(encoder, signal.SIGCONT)

    thread = threading.Thread(target=stop)
    thread.start()
    source = "-nostats -f lavfi -i color=s=320x180:r=25:d=6"
    assert ffadcvsr(source, f"-vf {NEAREST} -c:v libx264 -preset ultrafast", out) == 0
    thread.join()
    assert held[1] - held[0] < 10  # a second of its pictures would be twenty or more
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
    return path


def test_damage_is_counted_and_what_decodes_is_kept(
    damaged: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ffadcvsr("-nostats -i", damaged, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert "warning: the source is damaged: " in capfd.readouterr().err
    assert len(decoded(out)) >= 15


def test_damage_can_be_the_end(damaged: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ffadcvsr("-nostats -adcvsr_on_corrupt fail -i", damaged, f"-vf {NEAREST} -c:v ffv1", out) == 1
    assert "the output is not finished" in capfd.readouterr().err
    assert not out.exists()
    assert not children(os.getpid())
