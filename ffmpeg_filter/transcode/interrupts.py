"""Signals that end a run: Ctrl-C, and requests to terminate."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` on SIGINT, SIGTERM and SIGHUP while entered."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread handles signals
        return
    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # ignored under nohup
        signals.append(signal.SIGHUP)
    handlers = [signal.signal(number, lambda *_: act()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, handlers, strict=True):
            signal.signal(number, handler)
