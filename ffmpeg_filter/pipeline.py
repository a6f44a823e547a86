"""A transcode: FFmpeg decodes, the engine upscales, FFmpeg encodes, each at its own pace.

Nothing is trusted that can be checked: both programs' statuses, the damage that the decoder speaks of, and the number
of frames on the way.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

import av

from ffmpeg_filter import colors
from ffmpeg_filter.binary import Binary
from ffmpeg_filter.children import Child
from ffmpeg_filter.damage import Damage
from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.nut import Words, Writer, exact, read
from ffmpeg_filter.plan import Start
from ffmpeg_filter.progress import Reporter
from ffmpeg_filter.shown import Reader, Shown
from vsadcvsr.errors import MediaError

_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
INTERRUPTED = 255
"""The exit status of FFmpeg, and ours, after Ctrl-C."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be run. `encoder` makes the encoder's arguments from what only the first frame tells, `options` those
    of `upscale_frames` from its width and height.
    """

    binary: Binary
    decoder: Sequence[str]
    encoder: Callable[[Start], Sequence[str]]
    options: Callable[[int, int], dict[str, object]]
    active: Callable[[Fraction | None, int], bool] | None = None
    codec: str = ""
    rate: Fraction | None = None
    strict: bool = False
    """Whether damage is the end of it (`-adcvsr_on_corrupt fail`)."""
    reads_stdin: bool = False
    writes_stdout: bool = False


@dataclass
class Outcome:
    """How a job ended: FFmpeg's exit status, and the presentation times (seconds) of the frames that were passed on."""

    status: int = 0
    times: list[Fraction | None] = field(default_factory=list)
    damage: Damage = field(default_factory=Damage)
    interrupted: bool = False


class Transcode:
    """One run of a job."""

    def __init__(self, job: Job, reporter: Reporter) -> None:
        self.job = job
        self.reporter = reporter
        self.outcome = Outcome()
        self._words = Words()
        self._reader = Reader(self._words.put)
        self._first: Shown | None = None

    def run(self) -> Outcome:
        """To the end. Raises MediaError with the last words of whichever program failed, and what the engine raises."""
        readable, writable = _pipe()
        decoder = Child(
            "decoder", [self.job.binary.path, *self.job.decoder], heard=self._heard,
            stdin=sys.stdin.fileno() if self.job.reads_stdin else subprocess.DEVNULL, stdout=writable,
        )  # fmt: skip
        os.close(writable)
        with decoder:
            try:
                self._through(readable, decoder)
            finally:
                os.close(readable)
        return self.outcome

    def _through(self, readable: int, decoder: Child) -> None:
        encoder: _Encoder | None = None
        frames = self._decoded(readable)
        first = next(frames, None)
        made = self._upscaled(first, frames) if first else _nothing()
        try:
            with closing(made):  # type: ignore[type-var]
                for frame in made:
                    encoder = encoder or _Encoder(self.job, self._first, frame, self.reporter)
                    if not encoder.take(frame):
                        break
                    self._note(frame)
            self._check(decoder, encoder)
            if encoder:
                self.outcome.status = encoder.finish() or self.outcome.status
        except KeyboardInterrupt:
            self.outcome.interrupted, self.outcome.status = True, INTERRUPTED
            decoder.kill()
            if encoder:
                encoder.finish()
        finally:
            if encoder:
                encoder.kill()

    def _upscaled(self, first: av.VideoFrame, others: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        options = self.job.options(first.width, first.height)
        return upscale_frames(chain([first], others), active=self._chosen, **options)  # type: ignore[arg-type]

    def _decoded(self, readable: int) -> Iterator[av.VideoFrame]:
        for frame, shown in read(readable, self._words):
            if self._first is None:
                self._first = shown
                for words in colors.lost(shown, self.job.codec):
                    self.reporter.say(f"warning: {words}")
            if self.job.strict and self.outcome.damage:
                raise MediaError(f"{self.outcome.damage}; stopped, as -adcvsr_on_corrupt fail says")
            yield frame

    def _chosen(self, frame: av.VideoFrame) -> bool:
        return self.job.active is None or self.job.active(_time(frame), len(self.outcome.times))

    def _note(self, frame: av.VideoFrame) -> None:
        time = _time(frame)
        self.outcome.times.append(time)
        self.reporter.frame(float(time or 0))

    def _check(self, decoder: Child, encoder: _Encoder | None) -> None:
        """What the decoder's end means, once its frames have come to an end, or the encoder wants no more of them."""
        if encoder and encoder.satisfied:
            decoder.kill()
            return
        status = decoder.wait()
        if status < 0:
            raise MediaError(f"the decoder was killed by signal {-status}; {len(self.outcome.times)} frames were made")
        if not encoder:
            raise ProgramError(f"no video frame came from the decoder: {decoder.last_words()}", status or 1)
        if self.job.strict and (self.outcome.damage or status):
            words = f"{self.outcome.damage}; the output is not finished, as -adcvsr_on_corrupt fail says"
            raise ProgramError(words, status or 1)
        self.outcome.status = status

    def _heard(self, line: str) -> bool:
        if self._reader.read(line) or "[info]" in line:
            return False
        if not self.outcome.damage.read(line):
            self.reporter.say(f"decoder: {line}")
        return True


class ProgramError(MediaError):
    """A program failed; `status` is what it ended with."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


class _Encoder:
    """The second FFmpeg, and the pipe to it."""

    def __init__(self, job: Job, shown: Shown | None, first: av.VideoFrame, reporter: Reporter) -> None:
        assert shown is not None, "a picture has come out, so a frame has gone in"
        version = job.binary.version
        start = Start(
            colors.filters(shown, version), colors.encoder_options(shown, job.codec, version), _time(first),
            shown.time_base,
        )  # fmt: skip
        argv = [job.binary.path, *job.encoder(start)]
        readable, self._writable = _pipe()
        stdout = sys.stdout.fileno() if job.writes_stdout else subprocess.DEVNULL
        self._child = Child("encoder", argv, heard=self._heard, stdin=readable, stdout=stdout)
        os.close(readable)
        self._reporter = reporter
        self._writer: Writer | None = None
        self._first = first
        self._rate = job.rate
        self.satisfied = False

    def take(self, frame: av.VideoFrame) -> bool:
        """Whether the encoder took the frame; if not, it has ended. Raises ProgramError if it ended badly."""
        try:
            self._writer = self._writer or Writer(self._writable, self._first, self._rate)
            self._writer.write(frame)
        except (av.FFmpegError, OSError):
            self._ended()
            return False
        return True

    def finish(self) -> int:
        """Ends the film and waits for the encoder; its status, 0 unless it was forgiven. Raises ProgramError."""
        if not self.satisfied and self._writer:
            with suppress(av.FFmpegError, OSError):  # what is wrong then, the status says
                self._writer.close()
        self._close()
        status = self._child.wait()
        if status:
            raise ProgramError(f"the encoder failed: {self._child.last_words()}", status if status > 0 else 1)
        return 0

    def kill(self) -> None:
        self._child.kill()
        self._close()

    def _ended(self) -> None:
        self._close()
        status = self._child.wait()
        if status:
            raise ProgramError(f"the encoder failed: {self._child.last_words()}", status if status > 0 else 1)
        self.satisfied = True

    def _close(self) -> None:
        if self._writable >= 0:
            os.close(self._writable)
            self._writable = -1

    def _heard(self, line: str) -> bool:
        self._reporter.say(line)
        return True


def _nothing() -> Iterator[av.VideoFrame]:
    yield from ()


def _time(frame: av.VideoFrame) -> Fraction | None:
    tick = exact(frame.time_base)
    return None if frame.pts is None or tick is None else frame.pts * tick


def _pipe() -> tuple[int, int]:
    """A pipe, as wide as the system lets us make it."""
    readable, writable = os.pipe()
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(writable, _F_SETPIPE_SZ, _PIPE_BYTES)
    return readable, writable
