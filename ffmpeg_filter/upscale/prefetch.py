"""Prefetching of an iterator's items on a separate thread."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any
from weakref import WeakSet

_DRAIN_SECONDS = 0.05
"""Seconds between two checks whether a thread has ended."""
_POLL_SECONDS = 0.5
"""Seconds between two checks for shutdown while the queue is empty."""
_NATIVE_TIMEOUT = 60.0
"""Seconds to wait at interpreter shutdown for a step in native code."""
_SOURCE_TIMEOUT = 1.0
"""Seconds to wait at shutdown for a source that may block forever."""


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class _Stopped(Exception):  # noqa: N818 - no error: the interpreter shuts down
    """Raised on threads whose source was stopped."""


class _Prefetcher[T]:
    """The producing thread and its queue."""

    def __init__(self, items: Iterator[T], depth: int, timeout: float) -> None:
        self.timeout = timeout
        self.closed = threading.Event()
        self.abandoned = threading.Event()
        self._queue: Queue[T | _End] = Queue(depth)
        self._thread = threading.Thread(target=self._work, args=(items,), name="adcvsr", daemon=True)

    def start(self) -> None:
        _running.add(self)
        # atexit runs handlers last in, first out: this one now runs before those of all libraries loaded so far.
        atexit.unregister(_stop_all)
        atexit.register(_stop_all)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def take(self) -> T | _End:
        """The next item, or the end. Raises _Stopped at shutdown."""
        while True:
            with suppress(Empty):
                return self._queue.get(timeout=_POLL_SECONDS)
            if self.closed.is_set():
                raise _Stopped

    def drain(self) -> None:
        """Takes an item, so that a thread that waits for a free place in the queue notices the closing."""
        with suppress(Empty):
            self._queue.get(timeout=_DRAIN_SECONDS)

    def end(self) -> None:
        """Waits for the thread after closing, unless shutdown has given it up."""
        while self.is_alive and not self.abandoned.is_set():
            self.drain()

    def _work(self, items: Iterator[T]) -> None:
        end = _End()
        try:
            for item in items:
                self._queue.put(item)
                if self.closed.is_set():
                    break
            if isinstance(items, Generator):
                items.close()
        except BaseException as error:  # noqa: BLE001 - raised on the consuming thread
            end = _End(error)
        self._queue.put(end)


_running: WeakSet[_Prefetcher[Any]] = WeakSet()


def prefetch[T](items: Iterator[T], depth: int, *, may_block: bool = False) -> Generator[T]:
    """The items, produced on a separate thread up to `depth` ahead. Exceptions are raised here.

    Closing the generator closes the items on their thread and waits, except after Ctrl-C. At interpreter shutdown the
    thread is stopped as well, since threads in native code would abort the process; `may_block` means that the items
    may never come, and are waited for only briefly.
    """
    stage = _Prefetcher(items, depth, _SOURCE_TIMEOUT if may_block else _NATIVE_TIMEOUT)
    stage.start()
    end: Callable[[], object] = stage.end
    try:
        while not isinstance(item := stage.take(), _End):
            yield item
        if item.error is not None:
            raise item.error
    except KeyboardInterrupt:
        end = threading.Thread(target=stage.end, name="adcvsr end", daemon=True).start
        raise
    except _Stopped:
        end = stage.closed.set  # `_stop_all` waits
        raise
    finally:
        stage.closed.set()
        end()


def _stop_all() -> None:
    """Stops all threads at interpreter shutdown: generators that are still referenced are never closed."""
    stages = list(_running)
    for stage in stages:
        stage.closed.set()
    started = time.monotonic()
    while running := [stage for stage in stages if stage.is_alive and not stage.abandoned.is_set()]:
        for stage in running:
            stage.drain()
            if time.monotonic() - started >= stage.timeout:
                stage.abandoned.set()  # another thread may wait for its end
