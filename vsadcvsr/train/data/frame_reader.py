"""Random access to frames of videos and image folders by number, without reading them whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from vsadcvsr.errors import MediaError
from vsadcvsr.files import VIDEOS, images_in
from vsadcvsr.train.data.segments import Pixels, read_image


@dataclass(frozen=True)
class FrameReader:
    """A video, or a folder whose images are its frames in natural order."""

    path: Path
    frames: int
    width: int
    height: int

    @classmethod
    def of(cls, path: Path) -> FrameReader:
        """Opened, not decoded; MediaError if it cannot be read."""
        if path.is_dir():
            pictures = images_in(path)
            height, width = read_image(pictures[0]).shape[:2]
            return cls(path, len(pictures), width, height)
        with _open(path) as file:
            stream = file.streams.video[0]
            frames = stream.frames or sum(1 for packet in file.demux(stream) if packet.size)
            return cls(path, frames, stream.codec_context.width, stream.codec_context.height)

    def read(self, numbers: Sequence[int]) -> list[Pixels]:
        """The frames of these numbers, in the order given; MediaError for a number past the end."""
        needed, frames = set(numbers), dict[int, Pixels]()
        for number, frame in self._frames(needed):
            if number in needed:
                frames[number] = frame
            if len(frames) == len(needed):
                break
        if missing := sorted(needed - frames.keys()):
            raise MediaError(f"{self.path} has no frame {missing[0]}")
        if sizes := {frame.shape[:2] for frame in frames.values()} - {(self.height, self.width)}:
            height, width = min(sizes)
            raise MediaError(f"{self.path} has a frame of {width}x{height} among those of {self.width}x{self.height}")
        return [frames[number] for number in numbers]

    def _frames(self, needed: set[int]) -> Iterator[tuple[int, Pixels]]:
        if not self.path.is_dir():
            yield from enumerate(_decoded(self.path))
            return
        for number, picture in enumerate(images_in(self.path)):
            if number in needed:
                yield number, read_image(picture)


def readers_in(folder: Path) -> dict[str, FrameReader]:
    """Every video and image folder in a folder, by name without suffix, sorted.

    Raises MediaError if there is none, if two have one name, and if one cannot be read.
    """
    readers: dict[str, FrameReader] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        is_video = path.is_file() and path.suffix.lower() in VIDEOS
        if not is_video and not (path.is_dir() and images_in(path)):
            continue
        name = path.stem if is_video else path.name
        if name in readers:
            raise MediaError(f"{readers[name].path} and {path} have one name; remove either")
        readers[name] = FrameReader.of(path)
    if not readers:
        raise MediaError(f"no videos and no folders of pictures in {folder}")
    return readers


@contextmanager
def _open(path: Path) -> Iterator[av.container.InputContainer]:
    """The file; MediaError if it cannot be read, or holds no video, whenever that shows."""
    try:
        with av.open(str(path)) as file:
            if not file.streams.video:
                raise MediaError(f"{path} holds no video; remove it")
            yield file
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path} cannot be read as video ({error}); remove it or encode it anew") from error


def _decoded(path: Path) -> Iterator[Pixels]:
    """Every frame in order: numbers are exact only without seeks. Untagged matrices are taken as BT.709."""
    with _open(path) as file:
        for frame in file.decode(video=0):
            matrix = None if frame.colorspace not in (2, None) else "ITU709"
            converted = frame.reformat(
                format="rgb24", src_colorspace=matrix, threads=1
            )  # more differ where slices meet
            yield np.asarray(converted.to_ndarray(), np.uint8)
