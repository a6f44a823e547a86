"""Files of a pool of training samples: shards of clips, plain or compressed.

NNNN.hr.npy (N, T, S, S, 3) is the truth, NNNN.lr.npy (N, T, S/s, S/s, 3) its degraded version of scale s, and
NNNN.TEACHER.npy, shaped like the truth, a teacher's target; uint8 RGB. In a compressed shard, .zip instead of .npy, a
clip is one WebP picture with its frames one below the other, lossless for the degraded version. Files are written
atomically.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.extras import needs
from vsadcvsr.files import replacing

type Pixels = NDArray[np.uint8]

TRUTH, LOW = "truth", "low"
QUALITY = 95
"""Of a compressed truth: about 46 dB in luma. Chroma is halved, as it is in most videos."""
MAX_SIDE = 16383
"""Height of a WebP picture in pixels, at most."""
_LOSSLESS = 101
_FILES = {TRUTH: "hr", LOW: "lr"}
_SUFFIXES = (".zip", ".npy")


def shard_path(folder: Path, number: int, kind: str) -> Path:
    """File of a shard for one kind of clips: `truth`, `low`, or a teacher's name; where there is none, a plain one."""
    compressed, plain = (folder / f"{number:04d}.{_FILES.get(kind, kind)}{suffix}" for suffix in _SUFFIXES)
    return compressed if compressed.exists() else plain


def shard_numbers(folder: Path) -> list[int]:
    """The complete shards, in order."""
    names = {path.name.split(".")[0] for suffix in _SUFFIXES for path in folder.glob(f"*.hr{suffix}")}
    return sorted(int(name) for name in names if name.isdigit() and shard_path(folder, int(name), LOW).exists())


def shard_bytes(folder: Path, numbers: Iterable[int]) -> int:
    """Size of the files of shards, truth and degraded version."""
    return sum(shard_path(folder, number, kind).stat().st_size for number in numbers for kind in (TRUTH, LOW))


def write_shard(folder: Path, number: int, kind: str, clips: Pixels, *, compressed: bool = False) -> None:
    """Writes one kind of a shard's clips (N, T, H, W, 3) atomically."""
    path = shard_path(folder, number, kind).with_suffix(".zip" if compressed else ".npy")
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        if not compressed:
            np.save(file, clips)
            return
        with zipfile.ZipFile(file, "w") as archive:
            for index, clip in enumerate(clips):
                data = _encoded(clip, _LOSSLESS if kind == LOW else QUALITY)
                archive.writestr(zipfile.ZipInfo(f"{index:02d}.webp"), data)


def read_shard(path: Path) -> Pixels:
    """The clips (N, T, H, W, 3) of one file of a shard: memory-mapped, or decoded if compressed.

    Raises MediaError for a damaged file.
    """
    with _named(path):
        if path.suffix == ".npy":
            return np.asanyarray(np.load(path, mmap_mode="r"))
        with zipfile.ZipFile(path) as archive:
            return np.stack([_decoded(archive.read(name)) for name in sorted(archive.namelist())])


def clip_count(path: Path) -> int:
    """The number of clips in one file of a shard. Raises MediaError for a damaged file."""
    if path.suffix == ".npy":
        return len(read_shard(path))
    with _named(path), zipfile.ZipFile(path) as archive:
        return len(archive.namelist())


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Raises MediaError with the path for an error while a shard is read."""
    try:
        yield
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise MediaError(f"{path} cannot be read as a shard ({error}); delete it and build the pool again") from error


def _encoded(clip: Pixels, quality: int) -> bytes:
    """A picture (T * H, W) of a clip."""
    with needs("train", "a compressed pool"):
        import cv2
    picture = np.ascontiguousarray(clip.reshape(-1, *clip.shape[2:])[..., ::-1])
    return cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def _decoded(data: bytes) -> Pixels:
    """The square frames (T, S, S, 3) of a picture."""
    with needs("train", "a compressed pool"):
        import cv2
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None or picture.shape[0] % picture.shape[1]:
        raise ValueError("a picture that is no column of square frames")
    side = picture.shape[1]
    return np.ascontiguousarray(picture[..., ::-1], np.uint8).reshape(-1, side, side, 3)


def check_pool_scale(folder: Path, scale: int) -> None:
    """Raises UsageError if a pool has shards of another scale."""
    for number in shard_numbers(folder):
        truth, low = (_side(shard_path(folder, number, kind)) for kind in (TRUTH, LOW))
        if truth != scale * low:
            hint = "take a pool of that scale, or an empty folder"
            raise UsageError.of("scale", scale, f"{truth // low}, that of the pool {folder}", hint)


def _side(path: Path) -> int:
    """Width of the frames of a shard."""
    if path.suffix == ".npy":
        return int(read_shard(path).shape[2])
    with _named(path), zipfile.ZipFile(path) as archive:
        return int(_decoded(archive.read(archive.namelist()[0])).shape[1])
