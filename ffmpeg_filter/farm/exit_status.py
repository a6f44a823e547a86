"""Exit statuses of a farm's commands, and what ends them.

0    done, or done already
64   a mistake in the command: do not try again
65   what was planned with is not what is there, or cannot be taken: do not try again
75   anything that another attempt, perhaps on another machine, may cure
130  Ctrl-C
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from vsadcvsr.errors import AdcvsrError, FormatError, MissingError, UsageError, WeightsError, one_line
from vsadcvsr.farm.store.fingerprints import ChangedError

OK, USAGE, GIVE_UP, RETRY, INTERRUPTED = 0, 64, 65, 75, 130


class Stopped(Exception):  # noqa: N818 - no error: a scheduler wants its machine back
    """Raised where a signal asks for the end."""


def guarded(run: Callable[[], int], *, quiet: bool = False) -> int:
    """The exit status of what is run. What went wrong is said on standard error in one line, if not `quiet`."""
    try:
        with stoppable():
            return run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (AdcvsrError, OSError, Stopped) as error:
        if not quiet:
            say(one_line(error))
        return status_for(error)


def status_for(error: BaseException) -> int:
    """The exit status that tells a scheduler what to do about an error."""
    if isinstance(error, ChangedError | FormatError | MissingError | WeightsError):
        return GIVE_UP
    return USAGE if isinstance(error, UsageError) else RETRY


def say(words: str) -> None:
    write_line(f"ffadcvsr: {words}", sys.stderr)


def write_line(words: str, stream: TextIO) -> None:
    encoding = stream.encoding or "ascii"  # names may be no text in it
    print(words.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


@contextmanager
def stoppable() -> Iterator[None]:
    """Being asked to end is an exception, so that programs end and half-made files go."""

    def stop(*_: object) -> NoReturn:
        raise Stopped("stopped by a signal; what is done stays done")

    if threading.current_thread() is not threading.main_thread():
        yield  # where no signal is heard
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
