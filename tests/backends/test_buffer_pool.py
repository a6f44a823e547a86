"""The pool of output frames: memory comes back once nobody holds it, whenever that is."""

from __future__ import annotations

import gc
import math
import threading

import pytest

from vsadcvsr.backends.buffer_pool import BufferPool


def test_memory_is_used_again_once_nobody_holds_it() -> None:
    pool = BufferPool((3, 5))
    first = pool.take()
    address, row = first.ctypes.data, first[1]
    del first
    assert pool.take().ctypes.data != address, "a view still holds it"
    del row
    assert address in {array.ctypes.data for array in [pool.take(), pool.take()]}


def test_an_array_may_be_collected_while_another_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = BufferPool((2,))

    class Holder:
        def __init__(self) -> None:
            self.array, self.itself = pool.take(), self

    product = math.prod

    def collecting(shape: tuple[int, ...]) -> int:
        gc.collect()
        return product(shape)

    gc.disable()
    try:
        Holder()
        monkeypatch.setattr("math.prod", collecting)
        thread = threading.Thread(target=pool.take, daemon=True)
        thread.start()
        thread.join(10)
    finally:
        gc.enable()
    assert not thread.is_alive()
