"""Videos and folders of pictures by name, size and frame number, without holding what nobody asked for."""

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
class Footage:
    """A video, or a folder whose pictures are the frames of one in the order of the numbers in their names."""

    path: Path
    frames: int
    width: int
    height: int

    @classmethod
    def of(cls, path: Path) -> Footage:
        """Looked at, not decoded; MediaError if it cannot be read."""
        if path.is_dir():
            pictures = images_in(path)
            height, width = read_image(pictures[0]).shape[:2]
            return cls(path, len(pictures), width, height)
        with _opened(path) as file:
            stream = file.streams.video[0]
            frames = stream.frames or sum(1 for packet in file.demux(stream) if packet.size)
            return cls(path, frames, stream.codec_context.width, stream.codec_context.height)

    def read(self, numbers: Sequence[int]) -> list[Pixels]:
        """The frames of these numbers, in the order given; MediaError where the video has no such frame."""
        wanted, found = set(numbers), dict[int, Pixels]()
        for number, frame in self._frames(wanted):
            if number in wanted:
                found[number] = frame
            if len(found) == len(wanted):
                break
        if absent := sorted(wanted - found.keys()):
            raise MediaError(f"{self.path} has no frame {absent[0]}")
        if odd := {frame.shape[:2] for frame in found.values()} - {(self.height, self.width)}:
            height, width = min(odd)
            raise MediaError(f"{self.path} has a frame of {width}x{height} among those of {self.width}x{self.height}")
        return [found[number] for number in numbers]

    def _frames(self, wanted: set[int]) -> Iterator[tuple[int, Pixels]]:
        if not self.path.is_dir():
            yield from enumerate(_decoded(self.path))
            return
        for number, picture in enumerate(images_in(self.path)):
            if number in wanted:
                yield number, read_image(picture)


def gathered(folder: Path) -> dict[str, Footage]:
    """Every video and every folder of pictures in a folder, by name without ending, in order.

    Raises MediaError where there is none, where two have one name, and where one cannot be read.
    """
    found: dict[str, Footage] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        is_video = path.is_file() and path.suffix.lower() in VIDEOS
        if not is_video and not (path.is_dir() and images_in(path)):
            continue
        name = path.stem if is_video else path.name
        if name in found:
            raise MediaError(f"{found[name].path} and {path} have one name; remove either")
        found[name] = Footage.of(path)
    if not found:
        raise MediaError(f"no videos and no folders of pictures in {folder}")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    """The file; MediaError if it cannot be read, or holds no video, whenever that shows."""
    try:
        with av.open(str(path)) as file:
            if not file.streams.video:
                raise MediaError(f"{path} holds no video; remove it")
            yield file
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path} cannot be read as video ({error}); remove it or encode it anew") from error


def _decoded(path: Path) -> Iterator[Pixels]:
    """Every frame in order: numbers are exact only without seeks. A matrix without a name is taken as BT.709."""
    with _opened(path) as file:
        for frame in file.decode(video=0):
            matrix = None if frame.colorspace not in (2, None) else "ITU709"
            made = frame.reformat(format="rgb24", src_colorspace=matrix, threads=1)  # more differ where slices meet
            yield np.asarray(made.to_ndarray(), np.uint8)
