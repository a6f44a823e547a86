"""Frames of networks without memory, several at once: each output depends on its source frame alone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from vsadcvsr.backends import Backend, streams_of
from vsadcvsr.engine.runner import CheckedFrame, EngineOptions, FrameChecker, InputFrame, StreamRunner
from vsadcvsr.engine.schedule import StreamPosition
from vsadcvsr.output import OutputFrame
from vsadcvsr.spec import Array


class IndependentFrames:
    """Computes frames in any order, up to `streams` of them at once; further calls wait."""

    def __init__(self, backend: Backend, options: EngineOptions) -> None:
        self.streams = streams_of(backend)
        self._backend = backend
        self._options = options
        self._size: tuple[int, ...] = ()
        self._idle: list[StreamRunner] = []
        """Runners of frames of that size."""
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(self.streams)

    def output(self, frame: InputFrame) -> OutputFrame:
        """The output of a frame. Raises FormatError or BackendError."""
        return self._output(FrameChecker(0).check(frame))

    def _output(self, frame: CheckedFrame) -> OutputFrame:
        with self._slots:
            runner = self._take(frame.pixels.shape)
            runner.position = StreamPosition(0, 0, 0)
            result = runner.feed(frame)
            assert result is not None, "without lookahead"
            self._put_back(runner, frame.pixels.shape)  # a failed one is dropped
            return result[1]

    def stream(self, frames: Iterable[InputFrame | Array]) -> Iterator[OutputFrame]:
        """The outputs in order, with as many frames ahead as are computed at once. What `frames` raises follows the
        outputs of the frames before.
        """
        pending: deque[Future[OutputFrame]] = deque()
        checker, failure = FrameChecker(0), list[Exception]()
        with ThreadPoolExecutor(self.streams, "adcvsr-stream") as pool:
            try:
                for frame in _until_failure(frames, checker, failure):
                    pending.append(pool.submit(self._output, frame))
                    if len(pending) > self.streams:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()
        if failure:
            raise failure[0]

    def _take(self, size: tuple[int, ...]) -> StreamRunner:
        """A runner for frames of a size; those of another size are dropped."""
        with self._lock:
            if size != self._size:
                self._size, self._idle = size, []
            if self._idle:
                return self._idle.pop()
        return StreamRunner(self._backend, self._options, StreamPosition(0, 0, 0), FrameChecker(0))

    def _put_back(self, runner: StreamRunner, size: tuple[int, ...]) -> None:
        with self._lock:
            if size == self._size:
                self._idle.append(runner)


def _until_failure(
    frames: Iterable[InputFrame | Array], checker: FrameChecker, failure: list[Exception]
) -> Iterator[CheckedFrame]:
    """The frames, checked, up to the first that fails, whose error goes into `failure`."""
    try:
        for frame in frames:
            yield checker.check(frame)
    except Exception as error:  # noqa: BLE001 - raised after the frames before it
        failure.append(error)
