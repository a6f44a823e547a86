"""FFmpeg's messages about damaged input, counted, since FFmpeg exits with 0 on it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRAME = re.compile(r"corrupt decoded frame")
_PACKET = re.compile(r"corrupt input packet|Packet corrupt|partial file|Truncat|moov atom not found", re.IGNORECASE)
_LOST = re.compile(r"Decoding error|Error splitting the input|Error submitting packet|no frame!|Invalid data found")


@dataclass
class Damage:
    """Message counts by kind."""

    frames: int = 0
    """Damaged frames that were decoded."""
    packets: int = 0
    """Damaged or missing packets."""
    lost: int = 0
    """Failures to decode."""

    def count_line(self, line: str) -> bool:
        """Counts a line, and returns whether it reports damage."""
        for name, pattern in (("frames", _FRAME), ("packets", _PACKET), ("lost", _LOST)):
            if pattern.search(line):
                setattr(self, name, getattr(self, name) + 1)
                return True
        return False

    def __bool__(self) -> bool:
        return bool(self.frames or self.packets or self.lost)

    def __str__(self) -> str:
        """A warning that lists the non-zero counts."""
        counts = (
            (self.frames, "damaged frames decoded"),
            (self.packets, "reports of damaged or missing packets"),
            (self.lost, "failures to decode"),
        )
        return "the source is damaged: " + ", ".join(f"{count} {meaning}" for count, meaning in counts if count)
