"""FFmpeg child processes, which never outlive this process."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.media.binary import ENVIRONMENT_VARIABLE, environment_without_report
from ffmpeg_filter.media.stderr_log import StderrLog
from vsadcvsr.errors import MediaError

_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: the import of `signal` would take longer than the rest
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Sets the parent-death signal and runs the program. A preexec function could deadlock on a lock held by another
thread.
"""
_PREFIXES = re.compile(r"(\[[^]]*\] ?)*")
"""Incomplete line of a killed process: FFmpeg writes the parts of a line separately."""
_DESCRIPTOR = re.compile(r"(?:pipe:|/dev/fd/|/proc/self/fd/)(\d+)")
INTERRUPTED = 255
"""Exit status after Ctrl-C or another signal, of FFmpeg and of `ffadcvsr`."""
_CRASHES = {4, 6, 7, 8, 11}
"""SIGILL, SIGABRT, SIGBUS, SIGFPE and SIGSEGV, as Linux numbers them."""


def killed(name: str, status: int) -> str:
    """A message for a process that ended by a signal; an FFmpeg that was asked to end does not say by which."""
    if status == INTERRUPTED:
        return f"the {name} was stopped by a signal"
    hint = (
        f"; if this FFmpeg does so by itself too, name another one in {ENVIRONMENT_VARIABLE}"
        if -status in _CRASHES
        else ""
    )
    return f"the {name} was killed by signal {-status}{hint}"


class ChildProcess:
    """One child process, in its own process group, so that Ctrl-C reaches only this process.

    `on_line` is called with each line of standard error on a separate thread and returns whether it has handled the
    line; other lines go to `log`. `on_end` is called after the last line. None for `stdin` or `stdout` inherits it.
    `reports` tells whether it is the one process that writes the report of `FFREPORT`.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        on_line: Callable[[str], bool],
        on_message: Callable[[str], None],
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.DEVNULL,
        max_level: int = loglevel.ALL,
        pass_fds: Sequence[int] = (),
        on_end: Callable[[], None] = lambda: None,
        reports: bool = False,
    ) -> None:
        self.log = StderrLog(on_message, max_level)
        self._name = name
        self._on_line, self._on_end = on_line, on_end
        self._process = subprocess.Popen(
            _killed_with_parent(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=_environment(reports=reports),
            process_group=None if sys.platform == "win32" else 0,
            creationflags=_new_group(),
            pass_fds=() if sys.platform == "win32" else {*pass_fds, *_named_descriptors(argv)},
        )
        self._reader = threading.Thread(target=self._read, name=f"{name} stderr", daemon=True)
        self._reader.start()

    def wait(self) -> int:
        """Waits for the process and its standard error; the exit status, negative for a signal."""
        status = self._process.wait()
        self._reader.join()
        return status

    def wait_unless_killed(self) -> int:
        """As `wait`. Raises MediaError if a signal ended the process: another attempt may succeed."""
        status = self.wait()
        if status < 0 or status == INTERRUPTED:
            raise MediaError(killed(self._name, status))
        return status

    def poll(self, seconds: float = 0.2) -> int | None:
        """The exit status, or None if it still runs after `seconds` seconds."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def send_kill(self) -> None:
        """Kills the process without waiting."""
        if self._process.poll() is None:
            self._process.kill()

    def interrupt(self) -> None:
        """Interrupts FFmpeg as Ctrl-C does, so that it finishes its outputs."""
        if sys.platform == "win32":
            self._process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kills the process and waits; its output stays unfinished."""
        self.send_kill()
        self.wait()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with io.TextIOWrapper(self._process.stderr, errors="replace") as lines:  # a carriage return ends one as well
            for line in lines:
                text = line.rstrip()
                if _PREFIXES.fullmatch(text):
                    continue
                if not self._on_line(text):
                    self.log.add(text)
                else:
                    self.log.add_error(text)
        self._on_end()


def _environment(*, reports: bool) -> dict[str, str]:
    """The environment with colored logs turned off, since log lines are parsed."""
    environment = dict(os.environ) if reports else environment_without_report()
    environment.pop("AV_LOG_FORCE_COLOR", None)
    return {**environment, "AV_LOG_FORCE_NOCOLOR": "1"}


def _killed_with_parent(argv: Sequence[str]) -> list[str]:
    """The command wrapped so that it dies with this process, on Linux. Otherwise the encoder would take the closed pipe
    for the end of the video and finish a truncated file.
    """
    return [sys.executable, "-ISc", _LAUNCHER, str(os.getpid()), *argv] if sys.platform == "linux" else list(argv)


def _named_descriptors(argv: Sequence[str]) -> Iterator[int]:
    """Inherited descriptors that a command names, which FFmpeg alone would inherit, too: `pipe:3`, `-fd 3`, and
    `/dev/fd/63` of `>(…)`. A child without them might open a descriptor of its own by that number, and wait forever.
    """
    named = [match[1] for arg in argv for match in _DESCRIPTOR.finditer(arg)]
    named += [value for option, value in pairwise(argv) if option == "-fd" and value.isdecimal()]
    for number in {*map(int, named)} - {0, 1, 2}:
        with suppress(OSError, OverflowError):
            if os.get_inheritable(number):  # those of this process itself are not
                yield number


def _new_group() -> int:
    """The Windows flag for a separate process group."""
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


def exec_program(argv: Sequence[str]) -> int:
    """Replaces this process with a program, or runs it to its end where that is impossible; the exit status."""
    sys.stdout.flush()
    return _run_to_end(argv) if sys.platform == "win32" else os.execv(argv[0], [*argv])


def _run_to_end(argv: Sequence[str]) -> int:
    """For Windows, where exec returns to the shell at once."""
    with subprocess.Popen(argv) as process:
        while True:
            with suppress(KeyboardInterrupt):  # which the program has been sent as well, and acts upon
                return process.wait()


_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


class ProgramError(MediaError):
    """A failed program, with its exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def pipe() -> tuple[int, int]:
    """A pipe with the largest buffer that the system allows."""
    readable, writable = os.pipe()
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(writable, _F_SETPIPE_SZ, _PIPE_BYTES)
    return readable, writable
