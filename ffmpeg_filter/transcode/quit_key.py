"""The `q` key on standard input, which quits as in FFmpeg."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_QUIT = (b"q", b"Q")
_KEYSTROKES = 2
"""Maximum bytes on a pipe that count as keys; more are the input of another program, such as a shell loop's."""


@contextmanager
def quit_key(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` on a thread when `q` arrives on a foreground terminal, or alone on a pipe."""
    with ExitStack() as stack:
        if sys.platform != "win32" and _is_listened_to():
            stack.enter_context(_single_keys())
            stack.enter_context(_listening(act))
        yield


def _is_listened_to() -> bool:
    try:
        if os.isatty(0):
            return os.tcgetpgrp(0) == os.getpgrp()  # reading would stop us in the background
        return stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        return False


@contextmanager
def _single_keys() -> Iterator[None]:
    """Switches a terminal to unbuffered input without echo."""
    if sys.platform == "win32" or not os.isatty(0):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(0)
    tty.setcbreak(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _listening(act: Callable[[], None]) -> Iterator[None]:
    stop_reading, stop = os.pipe()
    thread = threading.Thread(target=_listen, args=(stop_reading, act), name="keys", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(stop)
        thread.join()
        os.close(stop_reading)


def _listen(stop_reading: int, act: Callable[[], None]) -> None:
    while True:
        ready, _, _ = select.select([0, stop_reading], [], [])
        if stop_reading in ready or (not os.isatty(0) and _bytes_available() > _KEYSTROKES):
            return
        try:
            keys = os.read(0, 1)
        except OSError:
            return
        if keys in _QUIT:
            act()
        if not keys or keys in _QUIT:
            return


def _bytes_available() -> int:
    """Number of bytes readable on standard input."""
    if sys.platform == "win32":
        return 0
    import array
    import fcntl
    import termios

    count = array.array("i", [0])
    fcntl.ioctl(0, termios.FIONREAD, count)
    return count[0]
