"""The frames of one chunk, each proven to be the one of the index."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile, islice

import av

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.farm import commands
from ffmpeg_filter.farm.frame_index import Index, sum_of
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.damage import Damage
from ffmpeg_filter.media.nut import exact
from ffmpeg_filter.media.process import Child, pipe
from ffmpeg_filter.media.showinfo import Reader, Shown
from ffmpeg_filter.transcode.frame_reader import Words, is_no_complaint, read
from vsadcvsr.errors import MediaError

_BACK = (0, 2, 8, 32)
"""Seconds before the first frame that is wanted at which decoders are told to begin, one after the other: what they
land on may be later (MPEG-TS), or may not decode by itself.
"""
_NEAR = 1
"""Seconds into the film up to which it is no use to seek."""


class MisalignedError(MediaError):
    """A decoder gave other frames than those of the index."""


class Decoding:
    """A first command that runs. Iterated over, it gives frames with their colours, and what was said of each."""

    def __init__(self, binary: Binary, words: Sequence[str], say: Callable[[str], None], limit: int) -> None:
        self.damage = Damage()
        self._words = Words()
        reader = Reader(self._words.put)
        self._readable, writable = pipe()
        self.child = Child(
            "decoder", [binary.path, *words], heard=lambda line: self._heard(reader, line), say=say, stdout=writable,
            stdin=subprocess.DEVNULL, limit=limit, done=self._words.end,
        )  # fmt: skip
        os.close(writable)

        self._frames = read(self._readable, self._words)

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, Shown]]:
        return self._frames

    def close(self) -> None:
        """Ends it."""
        self.child.kill()
        self._frames.close()
        os.close(self._readable)

    def _heard(self, reader: Reader, line: str) -> bool:
        return reader.read(line) or is_no_complaint(line) or self.damage.read(line)


@contextmanager
def decoding(
    binary: Binary, words: Sequence[str], say: Callable[[str], None] = lambda _: None, limit: int = loglevel.ALL
) -> Iterator[Decoding]:
    """A first command, ended on leaving. Of log levels above `limit` nothing is said."""
    running = Decoding(binary, words, say, limit)
    try:
        yield running
    finally:
        running.close()


@dataclass(frozen=True)
class Film:
    """The frames in front of the engine. `words` is the command of a single run that decodes them; see `Recipe`."""

    binary: Binary
    words: Sequence[str]
    index: Index
    shift: int | None
    run_up: int | None

    def attempts(self, first: int) -> Iterator[Fraction | None]:
        """Where to begin (seconds, in the source's own time) for frame `first`: the quickest way at first, then surer
        ones, and None for the beginning of the film, which is certain.
        """
        if self.shift is not None and self.run_up is not None:
            times, tick = self.index.times, self.index.tick
            wanted = times[max(0, first - self.run_up)] * tick
            for back in _BACK:
                if wanted - back > times[0] * tick + _NEAR:
                    yield wanted - back + self.shift * tick
        yield None

    def frames(self, first: int, last: int, at: Fraction | None) -> Generator[av.VideoFrame]:
        """Frames `first` to `last`, half-open, with the index's times. Raises MisalignedError where they are others."""
        words = self.words if at is None else commands.sought(self.words, at)
        shift = 0 if at is None else self.shift or 0
        with decoding(self.binary, words) as running:
            given = (frame for frame, _ in running)
            wanted = islice(given, first, None) if at is None else dropwhile(self._is_before(first), given)
            for number, frame in enumerate(islice(wanted, last - first), first):
                yield self._proven(frame, number, shift)
                if number + 1 == last:
                    return
        raise MisalignedError(f"the decoder ends before frame {last}: {running.child.speech.reason()}")

    def _is_before(self, first: int) -> Callable[[av.VideoFrame], bool]:
        """Whether a frame of a decoder that began elsewhere comes before that number, by its time."""
        begin = self.index.times[first] + (self.shift or 0)
        return lambda frame: frame.pts is None or frame.pts < begin

    def _proven(self, frame: av.VideoFrame, number: int, shift: int) -> av.VideoFrame:
        index = self.index
        if exact(frame.time_base) != index.tick or frame.pts is None or frame.pts - shift != index.times[number]:
            raise MisalignedError(f"frame {number} comes at another time than when the film was planned")
        if sum_of(frame) != index.sums[number]:
            raise MisalignedError(f"frame {number} has other pixels than when the film was planned")
        frame.pts, frame.duration = index.times[number], index.durations[number]
        return frame
