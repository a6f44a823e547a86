"""Work on a thread of its own, a few steps ahead of whoever takes it."""

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

_PATIENCE = 0.05
"""Seconds between two looks at whether a thread has ended."""
_GLANCE = 0.5
"""Seconds between two looks at whether all is to end, while there is nothing to take."""
_LAST_STEP = 60.0
"""Seconds that a step in native code is given to end before the interpreter does."""
_FOREIGN = 1.0
"""Seconds that is given to items of somebody else, which may be waited for in vain."""


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class _Stopped(Exception):  # noqa: N818 - no error: the interpreter ends
    """Raised on threads whose items come from one that was stopped."""


class _Stage[T]:
    """The thread that makes items, and the queue to whoever takes them."""

    def __init__(self, items: Iterator[T], depth: int, patience: float) -> None:
        self.patience = patience
        self.closed = threading.Event()
        self._queue: Queue[T | _End] = Queue(depth)
        self._thread = threading.Thread(target=self._work, args=(items,), name="adcvsr", daemon=True)

    def start(self) -> None:
        _live.add(self)
        # Behind the libraries that are loaded by now, and so before them at the end.
        atexit.unregister(_stop_all)
        atexit.register(_stop_all)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def take(self) -> T | _End:
        """The next item, or the end. Raises _Stopped once all is to end."""
        while True:
            with suppress(Empty):
                return self._queue.get(timeout=_GLANCE)
            if self.closed.is_set():
                raise _Stopped

    def drain(self) -> None:
        """Makes room, so that a thread which waits for some sees that it is closed."""
        with suppress(Empty):
            self._queue.get(timeout=_PATIENCE)

    def end(self) -> None:
        """Waits for the end of the thread, once this is closed."""
        while self.is_alive:
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
        except BaseException as error:  # noqa: BLE001 - it crosses over
            end = _End(error)
        self._queue.put(end)


_live: WeakSet[_Stage[Any]] = WeakSet()


def ahead[T](items: Iterator[T], depth: int, *, foreign: bool = False) -> Generator[T]:
    """The items, made on a thread of their own, up to `depth` of them before they are asked for, beside the one in
    the making. What they raise is raised here. Closing this closes them, on their thread, and waits for that; after
    Ctrl-C nobody waits.

    At the end of the interpreter the thread is ended too, for it may be in native code, which would abort the process;
    `foreign` says that the items may be waited for in vain, and are not for long.
    """
    stage = _Stage(items, depth, _FOREIGN if foreign else _LAST_STEP)
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
    """Ends all threads, at the end of the interpreter: generators that are still referred to are never closed."""
    stages = list(_live)
    for stage in stages:
        stage.closed.set()
    begun = time.monotonic()
    while left := [one for one in stages if one.is_alive and time.monotonic() - begun < one.patience]:
        for stage in left:
            stage.drain()
