"""Work on a thread of its own, a few steps ahead of whoever takes it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue

_PATIENCE = 0.05
"""Seconds between two looks at whether a thread has ended."""


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


def ahead[T](items: Iterator[T], depth: int) -> Generator[T]:
    """The items, made on a thread of their own, up to `depth` of them before they are asked for, beside the one in
    the making. What they raise is raised here. Closing this closes them, on their thread, and waits for that.
    """
    queue: Queue[T | _End] = Queue(depth)
    closed = threading.Event()
    thread = threading.Thread(target=_work, args=(items, queue, closed), name="adcvsr", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        while thread.is_alive():
            with suppress(Empty):
                queue.get(timeout=_PATIENCE)  # makes room, so that a thread which waits for some sees that it is closed


def _work[T](items: Iterator[T], queue: Queue[T | _End], closed: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            queue.put(item)
            if closed.is_set():
                break
        if isinstance(items, Generator):
            items.close()
    except BaseException as error:  # noqa: BLE001 - it crosses over
        end = _End(error)
    queue.put(end)
