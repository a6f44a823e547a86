"""Cache of output frames: a fixed number of them, the least recently used evicted first."""

from __future__ import annotations

from collections import OrderedDict

from vsadcvsr.output import OutputFrame, buffers

_DEFAULT_BYTES = 256 << 20
_DEFAULT_LENGTHS = (4, 32)


class FrameCache:
    """The latest output frames, up to a fixed number."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._frames: OrderedDict[int, OutputFrame] = OrderedDict()

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, n: int) -> OutputFrame | None:
        """Frame n, if cached."""
        if n not in self._frames:
            return None
        self._frames.move_to_end(n)
        return self._frames[n]

    def put(self, n: int, frame: OutputFrame) -> None:
        """Caches frame n."""
        self._frames[n] = frame
        self._frames.move_to_end(n)
        if len(self._frames) > self.capacity:
            self._frames.popitem(last=False)


def default_capacity(frame: OutputFrame) -> int:
    """How many frames of this size to cache: as many as fit into 256 MiB, but 4 to 32."""
    minimum, maximum = _DEFAULT_LENGTHS
    return min(maximum, max(minimum, _DEFAULT_BYTES // max(1, sum(buffer.nbytes for buffer in buffers(frame)))))
