"""Waiting for what another process or thread does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

_LIMIT = 90.0
"""Seconds; less than a test may take, and far more than anything takes on a busy machine."""


def wait_until[T](condition: Callable[[], T | None], what: str, *, goes_on: Callable[[], bool] = lambda: True) -> T:
    """What `condition` gives, once that is true. Fails the test when `what` takes for ever, or nothing goes on."""
    end = time.monotonic() + _LIMIT
    while time.monotonic() < end:
        is_last_look = not goes_on()
        if result := condition():
            return result
        if is_last_look:
            pytest.fail(f"{what}: it ended before that")
        time.sleep(0.005)
    pytest.fail(f"{what}: not within {_LIMIT:.0f} s")


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Does something on another thread, and raises what it raises."""
    failed: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - it crosses over
            failed.append(error)

    thread = threading.Thread(target=acting)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]
