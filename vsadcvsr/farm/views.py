"""What is seen of jobs that are watched: on a terminal, in plain lines, or in JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Literal, Protocol, TextIO

from vsadcvsr.farm.job import Job
from vsadcvsr.farm.status import Status

type Style = Literal["rich", "plain", "json"]
type Seen = Sequence[tuple[Job, Status]]

_SOON, _LATE = 10.0, 60.0
"""Seconds between plain lines: at least, and at most where nothing changes."""


class View(Protocol):
    """Told what is to be seen, by one thread at a time."""

    def begin(self) -> None: ...

    def say(self, words: str) -> None: ...

    def doing(self, words: str) -> None: ...

    def show(self, seen: Seen) -> None: ...

    def end(self) -> None: ...


class Plain:
    """Lines for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told = 0.0
        self._seen: Seen = ()

    def begin(self) -> None:
        """Nothing."""

    def say(self, words: str) -> None:
        print(f"ffadcvsr: {words}", file=self._stream, flush=True)

    def doing(self, words: str) -> None:
        if words:
            self.say(words)

    def show(self, seen: Seen) -> None:
        self._seen = seen
        if time.monotonic() - self._told > _SOON:
            self._tell()

    def end(self) -> None:
        self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        for job, status in self._seen:
            self.say(f"{job.folder.name}: {status.frames_done}/{status.frames} frames, {status.fps} fps")


class Json(Plain):
    """One object a line."""

    def say(self, words: str) -> None:
        self._put(event="said", words=words)

    def _tell(self) -> None:
        for job, status in self._seen:
            self._put(event="progress", job=str(job.folder), **status.plain())

    def _put(self, **told: object) -> None:
        print(json.dumps(told), file=self._stream, flush=True)


def view_of(style: Style | None, stream: TextIO) -> View:
    """The view of that style, or the one that suits the stream."""
    return Json(stream) if style == "json" else Plain(stream)
