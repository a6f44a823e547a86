"""The standard error of an FFmpeg process: its messages by level, and the reason of a failure."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from ffmpeg_filter.command import filtergraph, loglevel
from vsadcvsr.errors import UsageError

_MAX_LINES = 50
_PENDING_SECONDS = 1.0
"""How long messages are kept that may explain a failure."""
_LEVEL = re.compile(r"\[(panic|fatal|error|warning|info|verbose|debug|trace)\] ")
_QUEUE_WARNING = re.compile(r"Thread message queue blocking")
"""Warning about a slowly read input, which is normal in front of a network."""
_WRITE_ERROR = re.compile(
    r"Error writing trailer|Error closing file|Error muxing|Error submitting a packet to the muxer|"
    r"av_interleaved_write_frame|Slave muxer #\d+ failed"
)
"""Errors that mean an unfinished output; FFmpeg 5.1 may exit with 0 after them."""
_ADDRESS = re.compile(r" @ (0x)?[0-9a-f]+(?=\])")
_ERROR_LEVELS = {"panic", "fatal", "error"}
_CONSEQUENCE = re.compile(
    r"Conversion failed|Nothing was written|Error opening (in|out)put file|Error selecting an encoder|Error while |"
    r"Error sending |Error reinitializing|Terminating thread|Task finished|Could not open encoder|Failed to set value|"
    r"\[Eval\]|Unable to parse option value|Error initializing|Error parsing|Error applying|Last message repeated|"
    r"Error muxing|Error submitting"
)
"""Messages that accompany the actual error."""
_INPUT = re.compile(r"Error opening input file (.+?)\.?$")
_CHAIN = re.compile(r"Error parsing filterchain '(.+)' around: ?(.*)$")
"""FFmpeg 7 and later, for a filter chain that cannot be parsed: the chain, and its unparsed part."""


class StderrLog:
    """Lines of standard error. Warnings and errors are kept for a while, since they may explain a failure, and then
    passed to `on_message`; other lines at once. With verbose logging everything is passed on at once.

    Lines above `max_level` are not passed on.
    """

    def __init__(self, on_message: Callable[[str], None], max_level: int = loglevel.ALL) -> None:
        self.write_error = ""
        """The first message that means an unfinished output."""
        self._on_message = on_message
        self._max_level = max_level
        self._is_printed = True
        self._pending: list[tuple[float, str]] = []
        self._errors: list[str] = []
        self._is_verbose = False
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        if _QUEUE_WARNING.search(line):
            return
        level = _LEVEL.search(line)
        message = _ADDRESS.sub("", _LEVEL.sub("", line, count=1))
        self.add_error(line)
        with self._lock:
            if level:
                self._is_printed = loglevel.LEVELS[level[1]] <= self._max_level
            self._is_verbose |= level is not None and level[1] not in {"warning", *_ERROR_LEVELS}
            is_pending = level is not None and not self._is_verbose
            if is_pending and self._is_printed and len(self._pending) < _MAX_LINES:
                self._pending.append((time.monotonic(), message))
        if not is_pending and self._is_printed:
            self._on_message(message)

    def add_error(self, line: str) -> None:
        """Keeps an error for `reason` without printing it."""
        level = _LEVEL.search(line)
        if not level or level[1] not in _ERROR_LEVELS:
            return
        message = _ADDRESS.sub("", _LEVEL.sub("", line, count=1))
        with self._lock:
            if len(self._errors) < _MAX_LINES:
                self._errors.append(message)
            if _WRITE_ERROR.search(message) and not self.write_error:
                self.write_error = message

    def flush(self, seconds: float = _PENDING_SECONDS) -> None:
        """Prints messages kept for at least that many seconds: the process continues in spite of them."""
        before = time.monotonic() - seconds
        with self._lock:
            messages = [message for at, message in self._pending if at <= before]
            self._pending = self._pending[len(messages) :]
            self._errors = [message for message in self._errors if message not in messages]
        for message in messages:
            self._on_message(message)

    def reason(self) -> str:
        """The first error that is not a consequence of another, else the last unprinted warning."""
        with self._lock:
            errors = self._errors or [message for _, message in self._pending[-1:]]
        first = next((message for message in errors if not _CONSEQUENCE.search(message)), None)
        input_name = next((match[1] for message in errors if (match := _INPUT.search(message))), "")
        message = first or (errors[0] if errors else "it said nothing")
        return (message if input_name in message else f"{input_name}: {message}") + _failed_filter(errors, message)


def _failed_filter(errors: Sequence[str], message: str) -> str:
    """The name of the filter at which parsing stopped, unless the message names it."""
    for chain in filter(None, map(_CHAIN.search, errors)):
        with suppress(UsageError):
            *_, (_, _, node) = filtergraph.parse(chain[1].removesuffix(chain[2])).nodes()
            return "" if node.name in message else f" (filter {node.name!r}, if there is one)"
    return ""
