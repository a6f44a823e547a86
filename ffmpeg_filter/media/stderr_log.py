"""The standard error of an FFmpeg process: its messages by level, and the reason of a failure."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from ffmpeg_filter.command import filtergraph, loglevel
from vsadcvsr.errors import UsageError

_KEPT = 50
_HELD = 1.0  # seconds
_LEVEL = re.compile(r"\[(panic|fatal|error|warning|info|verbose|debug|trace)\] ")
_PACING = re.compile(r"Thread message queue blocking")
"""Said of an input that is read more slowly than it could be, as all are beside a network."""
_UNWRITTEN = re.compile(
    r"Error writing trailer|Error closing file|Error muxing|Error submitting a packet to the muxer|"
    r"av_interleaved_write_frame|Slave muxer #\d+ failed"
)
"""What FFmpeg says of an output that is not whole, with which 5.1 may end with 0."""
_ADDRESS = re.compile(r" @ (0x)?[0-9a-f]+(?=\])")
_SEVERE = {"panic", "fatal", "error"}
_SEQUEL = re.compile(
    r"Conversion failed|Nothing was written|Error opening (in|out)put file|Error selecting an encoder|Error while |"
    r"Error sending |Error reinitializing|Terminating thread|Task finished|Could not open encoder|Failed to set value|"
    r"\[Eval\]|Unable to parse option value|Error initializing|Error parsing|Error applying|Last message repeated|"
    r"Error muxing|Error submitting"
)
"""What FFmpeg says after, or right before, it says what is wrong."""
_INPUT = re.compile(r"Error opening input file (.+?)\.?$")
_CHAIN = re.compile(r"Error parsing filterchain '(.+)' around: ?(.*)$")
"""What FFmpeg 7 and later say of a filter whose options they cannot read: the filters, and those not yet read."""


class Speech:
    """What a process has said, line by line. Warnings and errors are held for a while; once there is a line of a lower
    level, for the user wants to read all, and whatever has no level, `say` is given at once. Of levels above `limit`
    nothing is said.
    """

    def __init__(self, say: Callable[[str], None], limit: int = loglevel.ALL) -> None:
        self.unwritten = ""
        """The first complaint that means that an output is not whole."""
        self._say = say
        self._limit = limit
        self._is_wanted = True
        self._held: list[tuple[float, str]] = []
        self._errors: list[str] = []
        self._is_full = False
        self._lock = threading.Lock()

    def take(self, line: str) -> None:
        if _PACING.search(line):
            return
        level = _LEVEL.search(line)
        words = _ADDRESS.sub("", _LEVEL.sub("", line, count=1))
        self.remember(line)
        with self._lock:
            if level:
                self._is_wanted = loglevel.LEVELS[level[1]] <= self._limit
            self._is_full |= level is not None and level[1] not in {"warning", *_SEVERE}
            is_held = level is not None and not self._is_full
            if is_held and self._is_wanted and len(self._held) < _KEPT:
                self._held.append((time.monotonic(), words))
        if not is_held and self._is_wanted:
            self._say(words)

    def remember(self, line: str) -> None:
        """Keeps an error for `reason`, without saying it."""
        level = _LEVEL.search(line)
        if not level or level[1] not in _SEVERE:
            return
        words = _ADDRESS.sub("", _LEVEL.sub("", line, count=1))
        with self._lock:
            if len(self._errors) < _KEPT:
                self._errors.append(words)
            if _UNWRITTEN.search(words) and not self.unwritten:
                self.unwritten = words

    def let_out(self, held: float = _HELD) -> None:
        """Says what was held for that long (seconds): the process goes on in spite of it."""
        before = time.monotonic() - held
        with self._lock:
            old = [words for at, words in self._held if at <= before]
            self._held = self._held[len(old) :]
            self._errors = [words for words in self._errors if words not in old]
        for words in old:
            self._say(words)

    def reason(self) -> str:
        """The first error that is not the sequel of another, else the last warning that has not been said."""
        with self._lock:
            errors = self._errors or [words for _, words in self._held[-1:]]
        first = next((words for words in errors if not _SEQUEL.search(words)), None)
        named = next((found[1] for words in errors if (found := _INPUT.search(words))), "")
        words = first or (errors[0] if errors else "it said nothing")
        return (words if named in words else f"{named}: {words}") + _place(errors, words)


def _place(errors: Sequence[str], words: str) -> str:
    """The name of the filter at which a graph could not be read any further, if that is not said."""
    for chain in filter(None, map(_CHAIN.search, errors)):
        with suppress(UsageError):
            *_, (_, _, node) = filtergraph.parse(chain[1].removesuffix(chain[2])).nodes()
            return "" if node.name in words else f" (filter {node.name!r}, if there is one)"
    return ""
