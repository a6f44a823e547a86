"""`adcvsr compare`: videos side by side on one HTML page that needs nothing else.

Images are embedded frame by frame as WebP or PNG, so that no video encoder changes them. All are shown at the size of
the largest: smaller ones, such as the source next to its upscales, are enlarged by bicubic interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np

from vsadcvsr.errors import FormatError, MediaError, UsageError
from vsadcvsr.evaluate.metrics.fidelity import fidelity, luma
from vsadcvsr.html_page import data_uri, render, write
from vsadcvsr.spec import Array
from vsadcvsr.video_io import read_frames

MAX_BYTES = 96 << 20
_TRUTH = "ground truth"
_MIN_SIDE = 20  # pixels that fidelity's windows and borders need


@dataclass(frozen=True, kw_only=True)
class View:
    """The part of the videos that is shown, and its encoding."""

    start: int = 0
    """The first frame."""
    frames: int = 25
    """How many frames at most."""
    crop: int = 0
    """Side of the shown middle, in pixels of the largest video; 0 for all."""
    quality: int = 92
    """WebP's, 1 to 100."""
    lossless: bool = False
    """PNG instead of WebP."""

    def __post_init__(self) -> None:
        for name, least in (("start", 0), ("frames", 1), ("crop", 0), ("quality", 1)):
            if getattr(self, name) < least:
                raise UsageError.of(name, getattr(self, name), f"{least} or more")
        if self.quality > 100:
            raise UsageError.of("quality", self.quality, "1 to 100")


@dataclass(frozen=True)
class Entry:
    """One input: its name, its frames (3, H, W) in 0..1 at the common size, and a note on how they were resized."""

    name: str
    frames: tuple[Array, ...]
    note: str = ""


def compare(
    inputs: Sequence[tuple[str, Path]], out: Path, *, truth: Path | None = None, view: View | None = None
) -> list[str]:
    """Writes the page and returns what should be known of it, a line each.

    Raises UsageError for names, MediaError for what cannot be read or written, FormatError where sizes do not fit or
    the page would be too large.
    """
    view = view or View()
    named = [*inputs, *([(_TRUTH, truth)] if truth else [])]
    if len(named) < 2:
        raise UsageError("a comparison needs two or more videos or folders of pictures; give another one")
    if len({name for name, _ in named}) < len(named):
        raise UsageError(f"two videos have one name among {', '.join(name for name, _ in named)}; set --names")
    read = {name: _frames(path, view) for name, path in named}
    shown, notes = _fitted(read, view)
    page = _page(shown, notes, view, has_truth=truth is not None)
    if len(page) > MAX_BYTES:
        hint = "show fewer --frames, a smaller --crop, or a lower --quality"
        raise FormatError(f"the page would have {len(page) >> 20} MiB, more than {MAX_BYTES >> 20} MiB; {hint}")
    write(out, page)
    return notes


def _frames(path: Path, view: View) -> list[Array]:
    if not path.exists():
        raise MediaError(f"{path} does not exist; give a video or a folder of pictures")
    frames = list(islice(read_frames(path, limit=view.start + view.frames, tagged=True), view.start, None))
    if not frames:
        raise MediaError(f"{path} has no frame {view.start}; give an earlier --start")
    return frames


def _fitted(read: dict[str, list[Array]], view: View) -> tuple[list[Entry], list[str]]:
    count = min(map(len, read.values()))
    longer = [name for name, frames in read.items() if len(frames) > count]
    notes = [f"{', '.join(longer)}: longer; the {count} frames that all have are shown"] if longer else []
    height, width = max((frames[0].shape[1:] for frames in read.values()), key=math.prod)
    shown = []
    for name, frames in read.items():
        size = frames[0].shape[1:]
        if size != (height, width):
            if (height * size[1], height % size[0]) != (width * size[0], 0):
                raise FormatError(
                    f"{name} is {size[1]}x{size[0]}, which no whole number scales to {width}x{height}, the largest "
                    "size; scale it first"
                )
            notes.append(f"{name}: {size[1]}x{size[0]}, enlarged by bicubic")
        shown.append(Entry(name, tuple(_sized(frame, height, width, view.crop) for frame in frames[:count])))
    return shown, notes


def _sized(frame: Array, height: int, width: int, crop: int) -> Array:
    if frame.shape[1:] != (height, width):
        large = cv2.resize(frame.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_CUBIC)
        frame = np.asarray(np.clip(large, 0, 1).transpose(2, 0, 1), np.float32)
    if not crop:
        return frame
    rows, columns = min(crop, height), min(crop, width)
    top, left = (height - rows) // 2, (width - columns) // 2
    return frame[:, top : top + rows, left : left + columns]


type _Curve = dict[str, object]


def _curves(shown: Sequence[Entry], *, has_truth: bool) -> list[_Curve]:
    curves = [
        _curve("flicker: mean change of luma to the frame before", 0, shown, _changes),
        _curve("sharpness: mean step between neighbouring pixels", 0, shown, _steps),
    ]
    if has_truth and min(shown[0].frames[0].shape[1:]) >= _MIN_SIDE:
        curves.append(_curve("PSNR-Y, dB", 1, shown, partial(_fidelities, truth=shown[-1], part="psnr_y")))
        curves.append(_curve("SSIM-Y", 1, shown, partial(_fidelities, truth=shown[-1], part="ssim_y")))
    return curves


def _fidelities(item: Entry, *, truth: Entry, part: str) -> list[float]:
    return [getattr(fidelity(*pair), part) for pair in zip(item.frames, truth.frames, strict=True)]


def _curve(name: str, better: int, shown: Sequence[Entry], measure: Callable[[Entry], Sequence[float]]) -> _Curve:
    values = [[round(value, 5) if math.isfinite(value) else None for value in measure(item)] for item in shown]
    return {"name": name, "better": better, "values": values}


def _changes(item: Entry) -> list[float]:
    lumas = [luma(frame) for frame in item.frames]
    pairs = pairwise(lumas)
    return [math.nan, *(float(np.abs(after - before).mean()) * 255 for before, after in pairs)]


def _steps(item: Entry) -> list[float]:
    def steps(frame: Array) -> float:
        plane = luma(frame)
        return float(np.abs(np.diff(plane, axis=0)).mean() + np.abs(np.diff(plane, axis=1)).mean()) * 255 / 2

    return [steps(frame) for frame in item.frames]


def _page(shown: Sequence[Entry], notes: Sequence[str], view: View, *, has_truth: bool) -> bytes:
    names = [item.name for item in shown]
    height, width = shown[0].frames[0].shape[1:]
    data = {
        "names": names,
        "width": width,
        "height": height,
        "start": view.start,
        "count": len(shown[0].frames),
        "pictures": [[_embedded(frame, view) for frame in item.frames] for item in shown],
        "curves": _curves(shown, has_truth=has_truth),
        "notes": list(notes),
    }
    template = resources.files("vsadcvsr.evaluate").joinpath("compare_page.html").read_text(encoding="utf-8")
    return render(template, " | ".join(names), data)


def _embedded(frame: Array, view: View) -> str:
    pixels = np.ascontiguousarray((np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)[..., ::-1])
    kind, options = (
        ("png", [cv2.IMWRITE_PNG_COMPRESSION, 6])
        if view.lossless
        else ("webp", [cv2.IMWRITE_WEBP_QUALITY, view.quality])
    )
    done, coded = cv2.imencode(f".{kind}", pixels, options)
    if not done:
        raise MediaError(f"a picture of {pixels.shape[1]}x{pixels.shape[0]} could not be coded as {kind}")
    return data_uri(kind, coded.tobytes())
