"""Reading and writing of videos and image folders as float32 RGB frames (3, H, W), 0 to 1, full range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace

from vsadcvsr.errors import MediaError
from vsadcvsr.files import IMAGES, VIDEOS, images_in
from vsadcvsr.spec import Array

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED


def files_in(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """The files of `folder` with one of `endings`, by name. Raises MediaError if there are none."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in endings)
    if not paths:
        raise MediaError(f"{folder} holds no file that ends in {', '.join(endings)}")
    return paths


def clips_in(folder: Path) -> dict[str, Path]:
    """The clips of `folder` by name: its videos and its folders of images, or else each of its images as a frame.

    Raises MediaError if there are none.
    """
    inside = sorted(folder.glob("*"))
    clips = {path.stem: path for path in inside if path.suffix.lower() in VIDEOS}
    clips |= {path.name: path for path in inside if path.is_dir() and images_in(path)}
    clips = clips or {path.stem: path for path in images_in(folder)}
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
    pictures = images_in(path) if path.is_dir() else [path]
    if not pictures:
        raise MediaError(f"{path} holds no picture")
    return map(read_image, islice(pictures, limit))


def read_video(path: Path, *, limit: int | None = None, tagged: bool = False) -> Iterator[Array]:
    """The frames of a clip in order, through 8-bit RGB, at most `limit` of them; as BT.709 whatever its tags say, or
    with `tagged` only where they say nothing."""
    for frame in _decode(path, limit):
        keep_tag = tagged and frame.colorspace not in {None, _UNSPECIFIED}
        matrix = None if keep_tag else Colorspace.ITU709
        yield to_float(frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray())


def read_thumbnails(path: Path, width: int, *, limit: int | None = None) -> Iterator[Array]:
    """The frames of a clip scaled to `width` (area averaged) and 8-bit precision: quick to read, for cut detection."""
    for frame in _decode(path, limit):
        height = max(2, round(frame.height * width / frame.width))
        small = cv2.resize(frame.to_ndarray(format="rgb24"), (width, height), interpolation=cv2.INTER_AREA)
        yield to_float(small)


def read_image(path: Path) -> Array:
    """A photograph. Raises MediaError where the file is no image."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise MediaError(f"{path} cannot be read as a picture")
    return to_float(pixels[..., ::-1])


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


def to_uint8(frame: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A frame as 8-bit (H, W, 3) RGB."""
    return np.ascontiguousarray(np.rint(frame.clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8))


def to_float(pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Array:
    """8-bit (H, W, 3) RGB as a float frame."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def _decode(path: Path, limit: int | None) -> Iterator[VideoFrame]:
    try:
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if limit is not None and index >= limit:
                    return
                yield frame
    except (av.FFmpegError, IndexError) as cause:
        raise MediaError(f"{path} cannot be decoded: {cause}") from cause
