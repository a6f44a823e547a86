"""Decoding of any range of source frames, each verified against the frame index."""

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
from ffmpeg_filter.farm.frame_index import FrameIndex, frame_checksum
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.damage import Damage
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.process import ChildProcess, pipe
from ffmpeg_filter.media.showinfo import FrameInfo, ShowinfoParser
from ffmpeg_filter.transcode.frame_reader import FrameInfoQueue, is_harmless, read_frames
from vsadcvsr.errors import MediaError

_SEEK_MARGINS = (0, 2, 8, 32)
"""Seconds before the wanted frame at which to seek, tried in order: a seek may land late (MPEG-TS), or on frames that
do not decode on their own.
"""
_MIN_SEEK = 1
"""Seconds from the start of the video within which seeking is not worthwhile."""


class MisalignedError(MediaError):
    """The decoder returned other frames than the index lists."""


class Decoder:
    """A running decode command. Iterates over frames and their FrameInfo."""

    def __init__(self, binary: Binary, args: Sequence[str], say: Callable[[str], None], max_level: int) -> None:
        self.damage = Damage()
        self._frame_infos = FrameInfoQueue()
        parser = ShowinfoParser(self._frame_infos.put)
        self._readable, writable = pipe()
        self.child = ChildProcess(
            "decoder", [binary.path, *args], on_line=lambda line: self._on_line(parser, line), say=say, stdout=writable,
            stdin=subprocess.DEVNULL, max_level=max_level, on_end=self._frame_infos.close,
        )  # fmt: skip
        os.close(writable)

        self._frames = read_frames(self._readable, self._frame_infos)

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, FrameInfo]]:
        return self._frames

    def close(self) -> None:
        """Kills the process."""
        self.child.kill()
        self._frames.close()
        os.close(self._readable)

    def _on_line(self, parser: ShowinfoParser, line: str) -> bool:
        return parser.parse_line(line) or is_harmless(line) or self.damage.count_line(line)


@contextmanager
def open_decoder(
    binary: Binary, args: Sequence[str], say: Callable[[str], None] = lambda _: None, max_level: int = loglevel.ALL
) -> Iterator[Decoder]:
    """A running decoder, closed on exit. Messages above `max_level` are not passed to `say`."""
    decoder = Decoder(binary, args, say, max_level)
    try:
        yield decoder
    finally:
        decoder.close()


@dataclass(frozen=True)
class FrameSource:
    """The frames before `adcvsr`, with random access."""

    binary: Binary
    decoder_args: Sequence[str]
    """The decode command of a run on one machine."""
    index: FrameIndex
    pts_shift: int | None
    """See `EncodeSpec.pts_shift`."""
    preroll: int | None
    """See `EncodeSpec.preroll`."""

    def seek_points(self, first: int) -> Iterator[Fraction | None]:
        """Where to seek for frame `first` (seconds, source timestamps): fastest first, safer ones later, and finally
        None for decoding from the start.
        """
        if self.pts_shift is not None and self.preroll is not None:
            times, time_base = self.index.times, self.index.time_base
            target = times[max(0, first - self.preroll)] * time_base
            for margin in _SEEK_MARGINS:
                if target - margin > times[0] * time_base + _MIN_SEEK:
                    yield target - margin + self.pts_shift * time_base
        yield None

    def frames(self, first: int, last: int, at: Fraction | None) -> Generator[av.VideoFrame]:
        """Frames `first` to `last`, half-open, with the timestamps of the index. Raises MisalignedError if they
        differ.
        """
        args = self.decoder_args if at is None else commands.seeking_command(self.decoder_args, at)
        pts_shift = 0 if at is None else self.pts_shift or 0
        with open_decoder(self.binary, args) as decoder:
            decoded = (frame for frame, _ in decoder)
            selected = islice(decoded, first, None) if at is None else dropwhile(self._is_before(first), decoded)
            for number, frame in enumerate(islice(selected, last - first), first):
                yield self._verified(frame, number, pts_shift)
                if number + 1 == last:
                    return
        raise MisalignedError(f"the decoder ends before frame {last}: {decoder.child.log.reason()}")

    def _is_before(self, first: int) -> Callable[[av.VideoFrame], bool]:
        """A predicate: whether a frame decoded after a seek precedes frame `first`."""
        begin = self.index.times[first] + (self.pts_shift or 0)
        return lambda frame: frame.pts is None or frame.pts < begin

    def _verified(self, frame: av.VideoFrame, number: int, pts_shift: int) -> av.VideoFrame:
        index = self.index
        if (
            to_fraction(frame.time_base) != index.time_base
            or frame.pts is None
            or frame.pts - pts_shift != index.times[number]
        ):
            raise MisalignedError(f"frame {number} has another timestamp than when the job was planned")
        if frame_checksum(frame) != index.checksums[number]:
            raise MisalignedError(f"frame {number} has other pixels than when the job was planned")
        frame.pts, frame.duration = index.times[number], index.durations[number]
        return frame
