"""The order of work, without pictures: where a run stands, which frames it owes, when it is cheaper to begin anew.

With a lookahead of D, picture n comes out when frame n + D goes in. So a run that is to give picture n begins at n - D
or at the start of n's scene, and ends by feeding D blanks.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from vsadcvsr.picture import Finished, memory

_RING_BYTES = 256 << 20
_RING_LENGTHS = (4, 32)


@dataclass
class Course:
    """Where a forward run stands that began at `begin`."""

    lookahead: int
    begin: int
    good_from: int
    """Its first picture that is good: `begin` where that begins a scene, else the picture that it was begun for."""
    end: int | None = None
    """The number of frames of the clip, once it is known."""

    def __post_init__(self) -> None:
        self.position = self.begin
        """The frame that goes in next."""

    @property
    def due(self) -> int:
        """The picture that comes out next, unless warming up comes first."""
        return max(self.begin, self.position - self.lookahead)

    @property
    def flushing(self) -> bool:
        """Whether all frames of the clip are in, so that only blanks can follow."""
        return self.end is not None and self.position >= self.end

    def feed(self) -> int | None:
        """Notes that frame `position` goes in: the number of the picture that comes out, None while warming up."""
        n = self.position - self.lookahead
        self.position += 1
        return n if n >= self.begin else None

    def leads_to(self, n: int, slack: int) -> bool:
        """Whether to run on to picture n: that skips `slack` pictures at most, or beginning anew is no shorter."""
        if n < max(self.due, self.good_from) or (self.end is not None and n >= self.end):
            return False
        return n - self.due <= slack or self.position >= warm_up_from(n, self.lookahead)


def warm_up_from(n: int, lookahead: int) -> int:
    """The first frame that picture n can depend on, if no scene begins in between."""
    return max(n - lookahead, 0)


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
