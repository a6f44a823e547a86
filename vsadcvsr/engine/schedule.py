"""Scheduling of one pass: position, pending outputs, and when restarting is cheaper than continuing.

With a lookahead of D frames, output n is produced when input n + D is fed. So a pass that shall produce output n starts
at n - D or at the start of n's scene, and ends by feeding D blank frames.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class StreamPosition:
    """Position of a pass that started at frame `start`."""

    lookahead: int
    start: int
    first_valid: int
    """First valid output: `start` if that begins a scene, otherwise the output that the pass was started for."""
    end: int | None = None
    """The number of frames of the clip, once it is known."""

    def __post_init__(self) -> None:
        self.next_input = self.start
        """The frame that is fed next."""

    @property
    def next_output(self) -> int:
        """The output that comes next, apart from warm-up."""
        return max(self.start, self.next_input - self.lookahead)

    @property
    def flushing(self) -> bool:
        """Whether all frames of the clip were fed, so that only blanks follow."""
        return self.end is not None and self.next_input >= self.end

    def advance(self) -> int | None:
        """Counts one input; the number of the output it produces, None during warm-up."""
        n = self.next_input - self.lookahead
        self.next_input += 1
        return n if n >= self.start else None

    def is_ahead(self, n: int, slack: int) -> bool:
        """Whether to continue to output n: it is at most `slack` outputs away, or restarting would not be shorter."""
        if n < max(self.next_output, self.first_valid) or (self.end is not None and n >= self.end):
            return False
        return n - self.next_output <= slack or self.next_input >= warm_up_start(n, self.lookahead)


def warm_up_start(n: int, lookahead: int) -> int:
    """First frame that output n can depend on, unless a scene starts in between."""
    return max(n - lookahead, 0)
