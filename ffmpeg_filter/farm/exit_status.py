"""Exit statuses of farm commands, and how errors map to them (listed in `ffmpeg_filter.farm.cli`)."""

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


class Terminated(Exception):  # noqa: N818 - no error: a scheduler wants its machine back
    """Raised in the main thread on SIGTERM."""


def run_guarded(run: Callable[[], int], *, quiet: bool = False) -> int:
    """Runs a command and returns its exit status. An error is printed to standard error in one line, unless `quiet`."""
    try:
        with sigterm_raises():
            return run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (AdcvsrError, OSError, Terminated) as error:
        if not quiet:
            print_message(one_line(error))
        return status_for(error)


def status_for(error: BaseException) -> int:
    """The exit status of an error, which tells a scheduler whether to retry."""
    if isinstance(error, ChangedError | FormatError | MissingError | WeightsError):
        return GIVE_UP
    return USAGE if isinstance(error, UsageError) else RETRY


def print_message(message: str) -> None:
    """Prints a line to standard error."""
    write_line(f"ffadcvsr: {message}", sys.stderr)


def write_line(text: str, stream: TextIO) -> None:
    """Prints a line; characters that the stream's encoding lacks are escaped."""
    encoding = stream.encoding or "ascii"  # names may be no text in it
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Turns SIGTERM into an exception, so that child processes end and temporary files are removed."""

    def stop(*_: object) -> NoReturn:
        raise Terminated("stopped by a signal; what is done stays done")

    if threading.current_thread() is not threading.main_thread():
        yield  # where no signal is heard
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
