"""FFmpeg processes: started so that none outlives us, with everything that they say read, and complaints held back
until it is known whether they are the end.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.media.binary import VARIABLE
from ffmpeg_filter.media.stderr_log import Speech
from vsadcvsr.errors import MediaError

_LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Not done between fork and exec, where Python code can wait for ever for a lock that another thread held."""
_PREFIXES = re.compile(r"(\[[^]]*\] ?)*")
"""All that is left of a line of a process that was ended between two writes: FFmpeg writes each part by itself."""
_CRASHES = {4, 6, 7, 8, 11}
"""SIGILL, SIGABRT, SIGBUS, SIGFPE and SIGSEGV, as Linux numbers them."""


def killed(name: str, status: int) -> str:
    """What is said of a program that a signal has ended."""
    hint = f"; if this FFmpeg does so by itself too, name another one in {VARIABLE}" if -status in _CRASHES else ""
    return f"the {name} was killed by signal {-status}{hint}"


class Child:
    """One process. `heard` is called with each line of its standard error, on a thread of its own; it says whether the
    line is dealt with; `done` after the last. All others go to `speech`. Standard input and output are ours if None.

    It is in a process group of its own, so that Ctrl-C reaches us alone and we decide in which order things end.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        heard: Callable[[str], bool],
        say: Callable[[str], None],
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.DEVNULL,
        limit: int = loglevel.ALL,
        pass_fds: Sequence[int] = (),
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self.speech = Speech(say, limit)
        self._heard, self._done = heard, done
        self._process = subprocess.Popen(
            _bound_to_us(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=_environment(),
            process_group=None if sys.platform == "win32" else 0,
            creationflags=_new_group(),
            pass_fds=pass_fds,
        )
        self._reading = threading.Thread(target=self._read, name=f"{name} stderr", daemon=True)
        self._reading.start()

    def wait(self) -> int:
        """Waits for the end of the process and of its words; its exit status, negative for a signal."""
        status = self._process.wait()
        self._reading.join()
        return status

    def poll(self, patience: float = 0.2) -> int | None:
        """The exit status, or None if it still runs after that long (seconds): its pipes are closed before it ends."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(patience)
        return None

    def end(self) -> None:
        """Tells it to end at once, and does not wait."""
        if self._process.poll() is None:
            self._process.kill()

    def interrupt(self) -> None:
        """Asks FFmpeg to finish its outputs with what it has, as Ctrl-C does."""
        if sys.platform == "win32":
            self._process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends it at once; what it was writing stays as it is."""
        self.end()
        self.wait()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with io.TextIOWrapper(self._process.stderr, errors="replace") as lines:  # a carriage return ends one as well
            for line in lines:
                words = line.rstrip()
                if _PREFIXES.fullmatch(words):
                    continue
                if not self._heard(words):
                    self.speech.take(words)
                else:
                    self.speech.remember(words)
        self._done()


def _environment() -> dict[str, str]:
    """Without the colours that a user may have asked for, which would stand in the lines that are read."""
    kept = {name: value for name, value in os.environ.items() if name != "AV_LOG_FORCE_COLOR"}
    return {**kept, "AV_LOG_FORCE_NOCOLOR": "1"}


def _bound_to_us(argv: Sequence[str]) -> list[str]:
    """The command so started that it ends when we are killed, where the system can do that. Else the encoder would take
    the end of its pipe for the end of the film, and finish a file that is not.
    """
    return [sys.executable, "-ISc", _LAUNCH, str(os.getpid()), *argv] if sys.platform == "linux" else list(argv)


def _new_group() -> int:
    """The flag by which Windows starts a process in a group of its own."""
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


def become(argv: Sequence[str]) -> int:
    """Runs a program in place of this one where the system can do that, else to its end; its exit status."""
    sys.stdout.flush()
    return _waited(argv) if sys.platform == "win32" else os.execv(argv[0], [*argv])


def _waited(argv: Sequence[str]) -> int:
    """As on Windows, where exec would return to the shell at once."""
    with subprocess.Popen(argv) as process:
        while True:
            with suppress(KeyboardInterrupt):  # which the program has been sent as well, and acts upon
                return process.wait()


_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


class ProgramError(MediaError):
    """A program failed; `status` is what it ended with."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


def pipe() -> tuple[int, int]:
    """A pipe, as wide as the system lets us make it."""
    readable, writable = os.pipe()
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(writable, _F_SETPIPE_SZ, _PIPE_BYTES)
    return readable, writable
