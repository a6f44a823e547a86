"""Inputs that can be read once work with all their streams, or are refused at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media.probe import InputInfo, probe
from ffmpeg_filter.media.relay import is_read_once
from tests.ffmpeg_filter.files import (
    NEAREST,
    command,
    copied,
    decoded,
    ffadcvsr,
    ffmpeg,
    skip_if_it_crashes,
    streams,
    surroundings,
)

FILTER = f"-vf {NEAREST} -c:v ffv1 -c:a copy"
BASH = ["bash", "-c"]


def shell(script: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Our command, `"$@"` in a script of bash; `clip.mkv` is there."""
    command_line = [*BASH, script, "-", *command("-nostats -y", *arguments)]
    return subprocess.run(command_line, env=surroundings(), cwd=cwd, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("cat clip.mkv | \"$@\"", "-i -"),
        ("cat clip.mkv | \"$@\"", "-i /dev/stdin"),
        ("\"$@\" < clip.mkv", "-i /dev/stdin"),
        ("\"$@\" < clip.mkv", "-i -"),
        ("\"$@\" 3< <(cat clip.mkv)", "-i pipe:3"),
        ("mkfifo fifo; cat clip.mkv > fifo & \"$@\"", "-i fifo"),
    ],
)  # fmt: skip
def test_pictures_and_sound_come_through(script: str, arguments: str, clip: Path, out: Path) -> None:
    done = shell(script, arguments, FILTER, out, cwd=clip.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(decoded(out)) == 10
    assert streams(out) == ["video ffv1", "audio flac"]
    assert copied(out) == copied(clip)


def test_several_inputs_can_be_read_once(clip: Path, out: Path) -> None:
    arguments = f"-map 0:v -map 1:a {FILTER}"
    script = 'mkfifo a b; cat clip.mkv > a & cat clip.mkv > b & "$@"'
    assert shell(script, "-i a -i b", arguments, out, cwd=clip.parent).returncode == 0
    assert (len(decoded(out)), copied(out)) == (10, copied(clip))


def test_a_list_that_can_be_read_once_names_its_files(clip: Path, out: Path) -> None:
    script = 'echo "file \'$PWD/clip.mkv\'" | "$@"'
    assert shell(script, "-f concat -safe 0 -i -", FILTER, out, cwd=clip.parent).returncode == 0
    assert len(decoded(out)) == 10


def test_a_list_that_can_be_read_once_does_not_name_the_output(clip: Path) -> None:
    before = clip.read_bytes()
    script = 'echo "file \'$PWD/clip.mkv\'" | "$@"'
    assert shell(script, "-f concat -safe 0 -i -", FILTER, clip, cwd=clip.parent).returncode != 0
    assert clip.read_bytes() == before


def test_a_source_without_end_can_be_limited(out: Path) -> None:
    arguments = "-f rawvideo -video_size 64x48 -pix_fmt yuv420p -r 25 -i /dev/zero -t 0.4"
    assert ffadcvsr("-nostats", arguments, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert len(decoded(out)) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-i - -i -", "input - is given twice"),
        ("-i pipe:999", "input pipe:999 cannot be read: file descriptor 999 is not open"),
        ("-i /dev/fd/999", "No such file"),
        ("-i /dev/null", "Invalid data"),
        ("-i tcp://127.0.0.1:1", "Connection refused"),
    ],
)
def test_unreadable_inputs_are_refused_at_once(
    arguments: str, message: str, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ffadcvsr("-nostats", arguments, FILTER, out) != 0
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert not list(out.parent.iterdir())


def test_ctrl_c_ends_the_wait_for_a_writer(tmp_path: Path, out: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    command_line = command("-nostats -i", tmp_path / "fifo", FILTER, out)
    with subprocess.Popen(command_line, env=surroundings(), stderr=subprocess.PIPE) as ours:
        threads = Path(f"/proc/{ours.pid}/task")
        end = time.monotonic() + 20
        while not _waits_for(threads, tmp_path / "fifo") and time.monotonic() < end:
            time.sleep(0.05)
        ours.send_signal(signal.SIGINT)
        _, stderr = ours.communicate(timeout=20)
    assert (ours.returncode, stderr) == (255, b"")


def _waits_for(threads: Path, fifo: Path) -> bool:
    """Whether a thread has come to open a named pipe: one that writes could open it."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@contextmanager
def served(data: bytes, port: int) -> Iterator[None]:
    """Data for whoever listens on a port, as soon as it does."""

    def serve() -> None:
        for _ in range(400):
            try:
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.sendall(data)
                return
            except OSError:
                time.sleep(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])


def test_a_connection_that_is_waited_for_is_read(clip: Path, out: Path) -> None:
    port = free_port()
    with served(clip.read_bytes(), port):
        assert ffadcvsr(f"-nostats -listen 1 -i tcp://127.0.0.1:{port}", FILTER, out) == 0
    assert (len(decoded(out)), copied(out)) == (10, copied(clip))


def test_datagrams_are_read_until_none_comes(tmp_path: Path, out: Path) -> None:
    port, source = free_port(), tmp_path / "source.ts"
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25:d=1 -f lavfi -i sine=d=1 -c:v mpeg2video -c:a mp2", source)
    skip_if_it_crashes(source)

    def send() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            while not _is_bound(port):
                time.sleep(0.05)
            data = source.read_bytes()
            for at in range(0, len(data), 1316):
                peer.sendto(data[at : at + 1316], ("127.0.0.1", port))
                time.sleep(0.001)

    thread = threading.Thread(target=send)
    thread.start()
    status = ffadcvsr(f"-nostats -i udp://127.0.0.1:{port}?timeout=1500000", FILTER, out)
    thread.join()
    assert status == 0
    assert len(decoded(out)) >= 20
    assert len(streams(out)) == 2


def _is_bound(port: int) -> bool:
    return f":{port:04X} " in Path("/proc/net/udp").read_text()


def test_inputs_that_can_be_read_twice_are_distinguished(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    for url, once in (
        ("-", True), ("pipe:", True), ("fd:", True), (str(tmp_path / "fifo"), True), (f"file:{tmp_path}/fifo", True),
        ("/dev/zero", True), ("/dev/stdin", True), ("tcp://h:1", True), ("udp://@:1", True), ("srt://h:1?mode=x", True),
        ("http://h/?listen=1", True), ("http://h/a.mkv", False), (str(tmp_path / "file"), False), ("a-b:c.mkv", False),
        ("rtsp://h/a", False), ("concat:a|b", False), (str(tmp_path), False),
    ):  # fmt: skip
        assert is_read_once(parse(["-i", url]).inputs[0]) is once, url
    assert not is_read_once(parse(["-f", "v4l2", "-i", "/dev/zero"]).inputs[0])
    assert probe(parse(["-i", str(tmp_path / "fifo")]).inputs[0]) == InputInfo()
