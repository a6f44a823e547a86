"""The cache of output frames: a fixed number of them, least recently used first out."""

from __future__ import annotations

from collections import OrderedDict

from vsadcvsr.output import Finished, memory

_RING_BYTES = 256 << 20
_RING_LENGTHS = (4, 32)


class Ring:
    """The pictures that were finished last, up to a fixed number; the one least recently used goes first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._pictures: OrderedDict[int, Finished] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pictures)

    def get(self, n: int) -> Finished | None:
        """Picture n, if it is there still."""
        if n not in self._pictures:
            return None
        self._pictures.move_to_end(n)
        return self._pictures[n]

    def put(self, n: int, picture: Finished) -> None:
        """Keeps picture n."""
        self._pictures[n] = picture
        self._pictures.move_to_end(n)
        if len(self._pictures) > self.capacity:
            self._pictures.popitem(last=False)

    def clear(self) -> None:
        self._pictures.clear()


def usual_capacity(picture: Finished) -> int:
    """How many pictures of this size a ring keeps: what fits into 256 MiB, but 4 to 32."""
    least, most = _RING_LENGTHS
    return min(most, max(least, _RING_BYTES // max(1, sum(part.nbytes for part in memory(picture)))))
