"""The order of work, without pictures: where a run stands, which frames it owes, when it is cheaper to begin anew.

With a lookahead of D, picture n comes out when frame n + D goes in. So a run that is to give picture n begins at n - D
or at the start of n's scene, and ends by feeding D blanks.
"""

from __future__ import annotations

from dataclasses import dataclass


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
