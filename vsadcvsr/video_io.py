"""Reading and writing of videos and image folders, for evaluation and training.

Frames are float32 RGB (3, H, W), 0 to 1, full range; `Pixels` are their 8-bit form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from vsadcvsr.errors import MediaError
from vsadcvsr.files import IMAGES, VIDEOS, images_in
from vsadcvsr.spec import Array

type Pixels = NDArray[np.uint8]
"""RGB (H, W, 3)."""

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED


def files_in(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """The files of `folder` with one of `endings`, by name. Raises MediaError if there are none."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in endings)
    if not paths:
        raise MediaError(f"{folder} holds no file that ends in {', '.join(endings)}")
    return paths


def videos_in(folder: Path) -> dict[str, Path]:
    """The videos and the folders of images in `folder`, by name without suffix, sorted.

    Raises MediaError if two have one name.
    """
    clips: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        is_folder = path.is_dir()
        if not (images_in(path) if is_folder else path.suffix.lower() in VIDEOS):
            continue
        name = path.name if is_folder else path.stem
        if name in clips:
            raise MediaError(f"{clips[name]} and {path} have the same name; remove one of them")
        clips[name] = path
    return dict(sorted(clips.items()))


def clips_in(folder: Path) -> dict[str, Path]:
    """As `videos_in`, or if there are none, each image of the folder as a clip of one frame.

    Raises MediaError if there are none of those either.
    """
    clips = videos_in(folder) or {path.stem: path for path in images_in(folder)}
    if not clips:
        raise MediaError(f"{folder} holds no video, no folder of pictures and no picture")
    return dict(sorted(clips.items()))


def scene_name(name: str) -> str:
    """The scene that a file shows: `dog_a` and `dog_c` are parts of one shot, `lake_d2` is a crop of `lake`."""
    stem, _, part = name.rpartition("_")
    return stem if stem and ((len(part) == 1 and part.isalpha()) or part == "d2") else name


def read_frames(path: Path, *, limit: int | None = None, tagged: bool = False) -> Iterator[Array]:
    """The frames of a video, of a folder of images in the order of their numbers, or of one image."""
    if not path.is_dir() and path.suffix.lower() not in IMAGES:
        return read_video(path, limit=limit, tagged=tagged)
    pictures = _images_of(path) if path.is_dir() else [path]
    return map(read_image, islice(pictures, limit))


def read_video(path: Path, *, limit: int | None = None, tagged: bool = False) -> Iterator[Array]:
    """The frames of a clip in order, through 8-bit RGB, at most `limit` of them; as BT.709 whatever its tags say, or
    with `tagged` only where they say nothing."""
    with open_video(path) as video:
        for frame in islice(video.decode(video=0), limit):
            yield to_float(to_pixels(frame, tagged=tagged))


def read_thumbnails(path: Path, width: int, *, limit: int | None = None) -> Iterator[Array]:
    """The frames of a clip scaled to `width` (area averaged) and 8-bit precision: quick to read, for cut detection."""
    with open_video(path) as video:
        for frame in islice(video.decode(video=0), limit):
            height = max(2, round(frame.height * width / frame.width))
            small = cv2.resize(frame.to_ndarray(format="rgb24"), (width, height), interpolation=cv2.INTER_AREA)
            yield to_float(small)


def read_image(path: Path) -> Array:
    """An image as a frame. Raises MediaError if it cannot be read."""
    return to_float(read_pixels(path))


def read_pixels(path: Path) -> Pixels:
    """An image, upright, in 8 bits and without alpha. Raises MediaError if it cannot be read."""
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        pixels = None
    if pixels is None:
        raise MediaError(f"{path} cannot be read as a picture; remove it or convert it to PNG")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True)
class FrameReader:
    """Random access by number to the frames of a video, or of a folder of images in natural order."""

    path: Path
    frames: int
    width: int
    height: int

    @classmethod
    def of(cls, path: Path) -> FrameReader:
        """Opened, not decoded; MediaError if it cannot be read."""
        if path.is_dir():
            pictures = _images_of(path)
            height, width = read_pixels(pictures[0]).shape[:2]
            return cls(path, len(pictures), width, height)
        with open_video(path) as video:
            stream = video.streams.video[0]
            frames = stream.frames or sum(1 for packet in video.demux(stream) if packet.size)
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
        if self.path.is_dir():
            for number, picture in enumerate(_images_of(self.path)):
                if number in needed:
                    yield number, read_pixels(picture)
            return
        with open_video(self.path) as video:  # from the start: numbers are exact only without seeks
            for number, frame in enumerate(video.decode(video=0)):
                yield number, to_pixels(frame, tagged=True)


def readers_in(folder: Path) -> dict[str, FrameReader]:
    """Readers of `videos_in`. Raises MediaError if there are none, too."""
    readers = {name: FrameReader.of(path) for name, path in videos_in(folder).items()}
    if not readers:
        raise MediaError(f"no videos and no folders of pictures in {folder}")
    return readers


@contextmanager
def open_video(path: Path) -> Iterator[InputContainer]:
    """An opened video file. Raises MediaError if it cannot be read or decoded, whenever that shows, or has no video."""
    try:
        with av.open(str(path)) as video:
            if not video.streams.video:
                raise MediaError(f"{path} holds no video; remove it")
            yield video
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{path} cannot be read as video ({error}); remove it or encode it again") from error


def write_video(path: Path, frames: Sequence[Array], *, rate: int = 25) -> None:
    """Writes a clip in 8-bit RGB without loss, as FFV1; the same frames give the same file."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        stream = out.add_stream("ffv1", rate=rate, options={"threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[1:], "bgr0"
        for number, frame in enumerate(frames):
            video_frame = VideoFrame.from_ndarray(to_uint8(frame), format="rgb24").reformat(format="bgr0")
            video_frame.pts, video_frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(video_frame))
        out.mux(stream.encode())


def write_pictures(folder: Path, frames: Sequence[Array]) -> None:
    """Writes a clip as `00000001.png`, `00000002.png` and so on into `folder`, which is made."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=1):
        path = folder / f"{number:08d}.png"
        if not cv2.imwrite(str(path), np.ascontiguousarray(to_uint8(frame)[..., ::-1])):
            raise MediaError(f"{path} cannot be written")


def to_pixels(frame: VideoFrame, *, tagged: bool) -> Pixels:
    """A decoded frame as 8-bit RGB; see `read_video` for `tagged`."""
    keep_tag = tagged and frame.colorspace not in {None, _UNSPECIFIED}
    matrix = None if keep_tag else Colorspace.ITU709
    converted = frame.reformat(format="rgb24", src_colorspace=matrix, threads=1)  # more differ where slices meet
    return np.asarray(converted.to_ndarray(), np.uint8)


def to_uint8(frame: Array) -> Pixels:
    """A frame as 8-bit (H, W, 3) RGB."""
    return np.ascontiguousarray(np.rint(frame.clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8))


def to_float(pixels: NDArray[np.generic]) -> Array:
    """8-bit (H, W, 3) RGB as a float frame."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def _images_of(folder: Path) -> list[Path]:
    """As `images_in`. Raises MediaError if there are none."""
    if pictures := images_in(folder):
        return pictures
    raise MediaError(f"{folder} holds no picture")
