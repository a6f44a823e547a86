"""What is done beside the main thread, and told of by a watch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ffmpeg_filter.farm_title import Making
from vsadcvsr.errors import FarmError
from vsadcvsr.farm.live import Watch


class Errand[Result]:
    """A thread that does one thing, and does not keep the program from ending. `of` is what it is about."""

    def __init__(self, of: Making, run: Callable[[], Result]) -> None:
        self.of = of
        self._run = run
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._go, daemon=True, name="errand")
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Result:
        """What it has come to, once it is over. Raises what it has raised."""
        if self._error is not None:
            raise self._error
        assert self._result is not None, "it is over, and nothing was raised"
        return self._result

    def join(self, seconds: float) -> None:
        """Waits for it, so long at the most."""
        self._thread.join(seconds)

    def _go(self) -> None:
        try:
            self._result = self._run()
        except BaseException as error:  # noqa: BLE001 - it crosses over
            self._error = error


class Beside:
    """A reporter that leaves frames to the watch. Once `stop` is set, whoever reports a frame is interrupted."""

    def __init__(self, watch: Watch, stop: threading.Event) -> None:
        self._watch = watch
        self._stop = stop

    def frame(self, seconds: float) -> None:
        """Raises FarmError where all is to end."""
        del seconds
        if self._stop.is_set():
            raise FarmError("stopped; what is done stays done")

    def say(self, words: str) -> None:
        self._watch.say(words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at
