"""What FFmpeg says of a damaged source. It decodes what it can and ends with 0; so somebody must count. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRAME = re.compile(r"corrupt decoded frame")
_PACKET = re.compile(r"corrupt input packet|Packet corrupt|partial file|Truncat|moov atom not found", re.IGNORECASE)
_LOST = re.compile(r"Decoding error|Error splitting the input|Error submitting packet|no frame!|Invalid data found")


@dataclass
class Damage:
    """Counts by kind: frames that were decoded although damaged, packets that were, and what could not be decoded."""

    frames: int = 0
    packets: int = 0
    lost: int = 0

    def read(self, line: str) -> bool:
        """Whether the line speaks of damage; counts it."""
        for name, pattern in (("frames", _FRAME), ("packets", _PACKET), ("lost", _LOST)):
            if pattern.search(line):
                setattr(self, name, getattr(self, name) + 1)
                return True
        return False

    def __bool__(self) -> bool:
        return bool(self.frames or self.packets or self.lost)

    def __str__(self) -> str:
        """For people, with nothing that was not found."""
        found = (
            (self.frames, "damaged frames decoded"),
            (self.packets, "reports of damaged or missing packets"),
            (self.lost, "failures to decode"),
        )
        return "the source is damaged: " + ", ".join(f"{count} {words}" for count, words in found if count)
