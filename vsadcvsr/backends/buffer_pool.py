"""Memory of output frames, used again once nobody holds them: new pages cost more time than many a small network."""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np

from vsadcvsr.spec import Array

_IDLE = 2
"""Idle buffers that are kept."""


class BufferPool:
    """Arrays of one shape. The memory of each returns to the pool with the last view of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._idle: deque[bytearray] = deque(maxlen=_IDLE)
        """Without a lock: arrays may be collected, and their memory returned, at any point of `take` too."""

    def take(self) -> Array:
        """An array with any content, owned by the caller."""
        try:
            memory = self._idle.pop()
        except IndexError:
            memory = bytearray(4 * math.prod(self._shape))
        # Views of an array on memory that is no array hold that array; others would hold the owner of the memory alone.
        array: Array = np.ndarray(self._shape, np.float32, memory)
        weakref.finalize(array, self._idle.append, memory).atexit = False
        return array
