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
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from ffmpeg_filter import filtergraph, loglevel
from ffmpeg_filter.binary import VARIABLE
from vsadcvsr.errors import UsageError

_KEPT = 50
_HELD = 1.0  # seconds
_LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Not done between fork and exec, where Python code can wait for ever for a lock that another thread held."""
_LEVEL = re.compile(r"\[(panic|fatal|error|warning|info|verbose|debug|trace)\] ")
_PACING = re.compile(r"Thread message queue blocking")
"""Said of an input that is read more slowly than it could be, as all are beside a network."""
_UNWRITTEN = re.compile(
    r"Error writing trailer|Error closing file|Error muxing|Error submitting a packet to the muxer|"
    r"av_interleaved_write_frame|Slave muxer #\d+ failed"
)
"""What FFmpeg says of an output that is not whole, with which 5.1 may end with 0."""
_ADDRESS = re.compile(r" @ (0x)?[0-9a-f]+(?=\])")
_PREFIXES = re.compile(r"(\[[^]]*\] ?)*")
"""All that is left of a line of a process that was ended between two writes: FFmpeg writes each part by itself."""
_CRASHES = {4, 6, 7, 8, 11}
"""SIGILL, SIGABRT, SIGBUS, SIGFPE and SIGSEGV, as Linux numbers them."""
_SEVERE = {"panic", "fatal", "error"}
_SEQUEL = re.compile(
    r"Conversion failed|Nothing was written|Error opening (in|out)put file|Error selecting an encoder|Error while |"
    r"Error sending |Error reinitializing|Terminating thread|Task finished|Could not open encoder|Failed to set value|"
    r"\[Eval\]|Unable to parse option value|Error initializing|Error parsing|Error applying|Last message repeated|"
    r"Error muxing|Error submitting"
)
"""What FFmpeg says after, or right before, it says what is wrong."""
_INPUT = re.compile(r"Error opening input file (.+?)\.?$")
_CHAIN = re.compile(r"Error parsing filterchain '(.+)' around: ?(.*)$")
"""What FFmpeg 7 and later say of a filter whose options they cannot read: the filters, and those not yet read."""


class Speech:
    """What a process has said, line by line. Warnings and errors are held for a while; once there is a line of a lower
    level, for the user wants to read all, and whatever has no level, `say` is given at once. Of levels above `limit`
    nothing is said.
    """

    def __init__(self, say: Callable[[str], None], limit: int = loglevel.ALL) -> None:
        self.unwritten = ""
        """The first complaint that means that an output is not whole."""
        self._say = say
        self._limit = limit
        self._is_wanted = True
        self._held: list[tuple[float, str]] = []
        self._errors: list[str] = []
        self._is_full = False
        self._lock = threading.Lock()

    def take(self, line: str) -> None:
        if _PACING.search(line):
            return
        level = _LEVEL.search(line)
        words = _ADDRESS.sub("", _LEVEL.sub("", line, count=1))
        self.remember(line)
        with self._lock:
            if level:
                self._is_wanted = loglevel.LEVELS[level[1]] <= self._limit
            self._is_full |= level is not None and level[1] not in {"warning", *_SEVERE}
            is_held = level is not None and not self._is_full
            if is_held and self._is_wanted and len(self._held) < _KEPT:
                self._held.append((time.monotonic(), words))
        if not is_held and self._is_wanted:
            self._say(words)

    def remember(self, line: str) -> None:
        """Keeps an error for `reason`, without saying it."""
        level = _LEVEL.search(line)
        if not level or level[1] not in _SEVERE:
            return
        words = _ADDRESS.sub("", _LEVEL.sub("", line, count=1))
        with self._lock:
            if len(self._errors) < _KEPT:
                self._errors.append(words)
            if _UNWRITTEN.search(words) and not self.unwritten:
                self.unwritten = words

    def let_out(self, held: float = _HELD) -> None:
        """Says what was held for that long (seconds): the process goes on in spite of it."""
        before = time.monotonic() - held
        with self._lock:
            old = [words for at, words in self._held if at <= before]
            self._held = self._held[len(old) :]
            self._errors = [words for words in self._errors if words not in old]
        for words in old:
            self._say(words)

    def reason(self) -> str:
        """The first error that is not the sequel of another, else the last warning that has not been said."""
        with self._lock:
            errors = self._errors or [words for _, words in self._held[-1:]]
        first = next((words for words in errors if not _SEQUEL.search(words)), None)
        named = next((found[1] for words in errors if (found := _INPUT.search(words))), "")
        words = first or (errors[0] if errors else "it said nothing")
        return (words if named in words else f"{named}: {words}") + _place(errors, words)


def _place(errors: Sequence[str], words: str) -> str:
    """The name of the filter at which a graph could not be read any further, if that is not said."""
    for chain in filter(None, map(_CHAIN.search, errors)):
        with suppress(UsageError):
            *_, (_, _, node) = filtergraph.parse(chain[1].removesuffix(chain[2])).nodes()
            return "" if node.name in words else f" (filter {node.name!r}, if there is one)"
    return ""


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
