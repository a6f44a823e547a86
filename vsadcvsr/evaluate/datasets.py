"""Evaluation datasets: clips on disk with their truth, in the usual layouts, cropped to a protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vsadcvsr.errors import FormatError, MediaError, UsageError
from vsadcvsr.evaluate.methods import downscale
from vsadcvsr.files import IMAGES
from vsadcvsr.spec import Array, check_scale
from vsadcvsr.video_io import clips_in, files_in, read_frames

TRUTH_FOLDERS = ("gt", "gt-video", "hr", "truth")
LOW_FOLDERS = ("lr", "lq", "lq-video", "low")
PHOTOS = "photos"


@dataclass(frozen=True)
class Protocol:
    """How much of a clip counts: its `first` frames, and the centre of the result, `crop` pixels wide and high; and by
    how much the truth is larger.
    """

    first: int | None = None
    crop: int | None = None
    scale: int = 4

    def __post_init__(self) -> None:
        if self.first is not None and self.first < 1:
            raise UsageError.of("first", self.first, "1 or more")
        check_scale(self.scale)
        if self.crop is not None and (self.crop < self.scale or self.crop % self.scale):
            hint = "it is cut from the low resolution first"
            raise UsageError.of("crop", self.crop, f"a multiple of the scale, {self.scale}", hint)


PROTOCOLS = {"whole": Protocol(), "paper": Protocol(first=25, crop=512)}


@dataclass(frozen=True)
class Case:
    """A low-resolution clip, with its truth if there is one."""

    name: str
    low: tuple[Array, ...]
    truth: tuple[Array, ...] | None
    set: str = ""
    cropped: bool = False
    reduced: bool = False
    scale: int = 4

    def __post_init__(self) -> None:
        if not self.low:
            raise FormatError(f"{self.name}: no frame")
        _check_one_size(f"{self.name}: the clip", self.low)
        if self.truth is None:
            return
        _check_one_size(f"{self.name}: the truth", self.truth)
        low, high = self.low[0].shape[1:], self.truth[0].shape[1:] if self.truth else (0, 0)
        if len(self.low) != len(self.truth) or (low[0] * self.scale, low[1] * self.scale) != high:
            raise FormatError(
                f"{self.name}: {len(self.low)} frames of {low} do not fit {len(self.truth)} of {high} at x{self.scale}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) of the result."""
        height, width = self.low[0].shape[1:]
        return width * self.scale, height * self.scale


def sets_in(data: Path) -> list[str]:
    """The names of the sets that a folder holds, in one of the layouts that `read_cases` reads."""
    if (data / "clips").is_dir():
        names = [
            path.name
            for path in sorted((data / "clips").iterdir())
            if path.is_dir() and not _is_named(path, TRUTH_FOLDERS)
        ]
        return names + [PHOTOS] * (data / "photos_hr").is_dir()
    if _subfolder(data, LOW_FOLDERS):
        return [data.resolve().name]
    names = [path.name for path in sorted(data.glob("*")) if path.is_dir() and _subfolder(path, LOW_FOLDERS)]
    if not names:
        raise MediaError(f"{data} is no dataset: it has neither clips/, nor lr/ and gt/, nor folders that have them")
    return names


def read_cases(data: Path, name: str, protocol: Protocol) -> Iterator[Case]:
    """The cases of one set. Raises MediaError where a file is missing, FormatError where a pair does not fit.

    `photos` are the images of `photos_hr`, shrunk here. Other sets are `clips/NAME` with `clips/gt`, or `NAME/lr`
    with `NAME/gt`, or `lr` with `gt`, or `NAME` alone, which has no truth. Every clip is a video or a folder of
    images.
    """
    for item, (path, truth_path) in paths_in(data, name).items():
        low = tuple(read_frames(path, limit=protocol.first))
        truth = tuple(read_frames(truth_path, limit=protocol.first)) if truth_path else None
        yield _fit(item, low, truth, name, protocol)


def paths_in(data: Path, name: str) -> dict[str, tuple[Path, Path | None]]:
    """The clips of a set by name, each with its truth, if there is one; none is opened. Raises MediaError where a file
    is missing.
    """
    if name == PHOTOS and (data / "photos_hr").is_dir():
        return {path.stem: (path, path) for path in files_in(data / "photos_hr", IMAGES)}
    low, high = _folders(data, name)
    truths = clips_in(high) if high else {}
    clips = clips_in(low)
    if high and (missing := next((item for item in clips if item not in truths), None)):
        raise MediaError(f"{high} holds no {missing}, which {low} does")
    return {item: (path, truths.get(item)) for item, path in clips.items()}


def _check_one_size(name: str, frames: tuple[Array, ...]) -> None:
    """Raises FormatError for a frame of another size than the first."""
    sizes = [f"{frame.shape[2]}x{frame.shape[1]}" for frame in frames]
    if other := next((number for number, size in enumerate(sizes) if size != sizes[0]), None):
        raise FormatError(f"{name} has frame {other} of {sizes[other]} among those of {sizes[0]}; make them one size")


def crop_centre(frame: Array, width: int, height: int) -> Array:
    """The centre of a frame; a side that is shorter is not cropped."""
    rows, columns = frame.shape[1:]
    top, left = max(0, (rows - height) // 2), max(0, (columns - width) // 2)
    return frame[:, top : top + height, left : left + width]


def _fit(
    name: str, low: tuple[Array, ...], truth: tuple[Array, ...] | None, set_name: str, protocol: Protocol
) -> Case:
    """A case cropped to the protocol: the low frames, and the corresponding part of the truth."""
    scale = protocol.scale
    reduced = bool(scale > 1 and truth and low and low[0].shape == truth[0].shape)
    low = tuple(downscale(frame, scale) for frame in low) if reduced else low
    if truth and low:
        truth = tuple(_trim(frame, low[0], scale) for frame in truth)
    if protocol.crop is None:
        return Case(name, low, truth, set_name, reduced=reduced, scale=scale)
    side = protocol.crop // scale
    cut = tuple(crop_centre(frame, side, side) for frame in low)
    # cropped by the corner of the low frames: the corner of the truth could be between their pixels
    truth = truth and tuple(_crop_under(frame, low[0], side, scale) for frame in truth)
    return Case(name, cut, truth, set_name, True, reduced, scale)


def _crop_under(frame: Array, low: Array, side: int, scale: int) -> Array:
    top, left = (max(0, (length - side) // 2) * scale for length in low.shape[1:])
    return frame[:, top : top + side * scale, left : left + side * scale]


def _trim(frame: Array, low: Array, scale: int) -> Array:
    """The truth without the rows and columns (fewer than the scale) that are no whole pixel of the low frame."""
    sizes = [side * scale for side in low.shape[1:]]
    excess = [side - size for side, size in zip(frame.shape[1:], sizes, strict=True)]
    return frame[:, : sizes[0], : sizes[1]] if all(0 <= left < scale for left in excess) else frame


def _folders(data: Path, name: str) -> tuple[Path, Path | None]:
    if (data / "clips" / name).is_dir():
        return data / "clips" / name, data / "clips" / "gt"
    home = data / name if (data / name).is_dir() else data
    low = _subfolder(home, LOW_FOLDERS)
    if low:
        return low, _subfolder(home, TRUTH_FOLDERS)
    if home == data:
        raise MediaError(f"{data} has no set {name!r}; its sets are {', '.join(sets_in(data))}")
    return home, _subfolder(data, TRUTH_FOLDERS)


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((path for path in sorted(folder.glob("*")) if path.is_dir() and _is_named(path, names)), None)


def _is_named(path: Path, names: tuple[str, ...]) -> bool:
    return path.name.lower() in names
