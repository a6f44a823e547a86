"""FFmpeg processes: started so that none outlives us, with everything that they say read and the last of it kept."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

_KEPT = 12
_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """One process. `heard` is called with each line of its standard error, on a thread of its own; it says whether the
    line may be worth telling in an error message.

    It is in a process group of its own, so that Ctrl-C reaches us alone and we decide in which order things end.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        heard: Callable[[str], bool],
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.tail: deque[str] = deque(maxlen=_KEPT)
        self._heard = heard
        self._process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            process_group=0,
            preexec_fn=_die_with_parent if _LIBC else None,  # noqa: PLW1509 - one call into a library that is loaded
        )
        self._reading = threading.Thread(target=self._read, name=f"{name} stderr", daemon=True)
        self._reading.start()

    def wait(self) -> int:
        """Waits for the end of the process and of its words; its exit status, negative for a signal."""
        status = self._process.wait()
        self._reading.join()
        return status

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """Ends it at once; what it was writing stays as it is."""
        if self._process.poll() is None:
            self._process.kill()
        self.wait()

    def last_words(self) -> str:
        """What it said last, for an error message."""
        return self.tail[-1] if self.tail else "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                words = line.decode(errors="replace").rstrip()
                if words and self._heard(words):
                    self.tail.append(words)


def _die_with_parent() -> None:
    """A parent that is killed can end nothing: the encoder would take the end of its pipe for the end of the film, and
    finish a file that is not.
    """
    assert _LIBC is not None
    _LIBC.prctl(_PDEATHSIG, signal.SIGKILL)
