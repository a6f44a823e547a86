"""A validation set from a list of scenes: `python -m vsadcvsr.evaluate.validation LIST --root DIR --out SET`.

LIST is a text file with a path below DIR on each line, of a video, a folder of images or an image; `#` begins a
comment. These scenes are to be kept out of training. SET gets `clips/gt`, the middle of the first frames of each scene,
and next to them a folder for each kind of degradation, smaller by the scale; an image becomes a slow pan. Draws
follow from the seed and the names alone: the same list gives the same pixels with the same encoders (those of PyAV's
wheel), which the printed checksum shows.
`adcvsr evaluate --data SET --metrics summary --table summary` measures on it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from vsadcvsr.commands import check_minimums, parse_size, status
from vsadcvsr.errors import FormatError, MediaError, UsageError, near_misses
from vsadcvsr.evaluate import options
from vsadcvsr.extras import needs
from vsadcvsr.files import IMAGES, write_text
from vsadcvsr.spec import Array

with needs("evaluate", "the validation set", __name__, options.validation):
    from vsadcvsr.evaluate.datasets import crop_centre
    from vsadcvsr.evaluate.degradations import DEGRADATIONS, degrade
    from vsadcvsr.video_io import read_frames, to_float, to_uint8, write_video

_MAX_PAN = 3  # pixels that a pan moves by, across and down, from a frame to the next
_SHORTEST_SIDE = 16  # the smallest side of a low-resolution frame


@dataclass(frozen=True)
class ValidationPlan:
    """Kinds of degradation, frames per scene, and the largest size of the truth."""

    kinds: tuple[str, ...] = tuple(DEGRADATIONS)
    frames: int = 5
    width: int = 512
    height: int = 384
    seed: int = 0
    scale: int = 4


def scenes_in(text: str) -> list[str]:
    """The paths of a list; what follows `#` does not count. Raises UsageError for an empty list and a name twice."""
    paths = [line.partition("#")[0].strip() for line in text.splitlines()]
    paths = [path for path in paths if path]
    if not paths:
        raise UsageError("the list of scenes is empty; write one path per line")
    names = [Path(path).stem for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two scenes of the list are named {twice!r}; rename one of them")
    return paths


def read_truth(path: Path, plan: ValidationPlan) -> tuple[Array, ...]:
    """The frames of a scene, cut to the plan and to whole low-resolution pixels. Raises MediaError or FormatError."""
    if path.suffix.lower() in IMAGES:
        (picture,) = read_frames(path)
        frames = tuple(_pan(picture, plan, path.stem))
    else:
        frames = tuple(_crop(frame, plan) for frame in islice(read_frames(path), plan.frames))
    if not frames:
        raise MediaError(f"{path} holds no frame")
    if min(frames[0].shape[1:]) < _SHORTEST_SIDE * plan.scale:
        raise FormatError(f"{path} is too small: {frames[0].shape[2]}x{frames[0].shape[1]} pixels are left of it")
    return frames


def make(root: Path, paths: Sequence[str], out: Path, plan: ValidationPlan) -> Iterator[tuple[str, str]]:
    """Writes the set, scene by scene, and gives each scene's name and the checksum of all of its pixels.

    Raises UsageError for a folder with scenes of another list: they would be measured with these.
    """
    names = {Path(scene).stem for scene in paths}
    if other := next((path for path in sorted((out / "clips").glob("*/*")) if path.stem not in names), None):
        raise UsageError(f"{other} is of no scene of the list; remove it, or give a folder that is empty")
    for kind in ("gt", *plan.kinds):
        (out / "clips" / kind).mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {}
    for scene in paths:
        name, truth = Path(scene).stem, read_truth(root / scene, plan)
        sums = {"gt": _write(out / "clips" / "gt" / f"{name}.mkv", truth)}
        strengths = {}
        for kind in plan.kinds:
            pixels, strengths[kind] = degrade(truth, kind, name, plan.seed, plan.scale)
            sums[kind] = _write(out / "clips" / kind / f"{name}.mkv", [to_float(frame) for frame in pixels])
        facts[name] = {"from": scene, "strengths": strengths, "sha256": sums}
        yield name, hashlib.sha256("".join(sums.values()).encode()).hexdigest()
    write_text(out / "validation.json", json.dumps({"plan": asdict(plan), "scenes": facts}, indent=1))


def _crop(frame: Array, plan: ValidationPlan) -> Array:
    height, width = frame.shape[1:]
    return crop_centre(frame, min(plan.width, _whole(width, plan)), min(plan.height, _whole(height, plan)))


def _whole(side: int, plan: ValidationPlan) -> int:
    """The side without the pixels at its end that make no whole one at low resolution."""
    return side // plan.scale * plan.scale


def _pan(picture: Array, plan: ValidationPlan, name: str) -> Iterator[Array]:
    """A window that moves over an image by whole pixels, through its middle."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{plan.seed}/pan/{name}".encode()).digest()[:8]))
    right, down = (int(step) for step in rng.choice([-_MAX_PAN, -2, -1, 1, 2, _MAX_PAN], 2))
    last = plan.frames - 1
    rows, columns = picture.shape[1:]
    width = min(plan.width, _whole(columns - abs(right) * last, plan))
    height = min(plan.height, _whole(rows - abs(down) * last, plan))
    left, top = (columns - width - right * last) // 2, (rows - height - down * last) // 2
    for index in range(plan.frames):
        row, column = top + down * index, left + right * index
        yield picture[:, row : row + height, column : column + width]


def _write(path: Path, frames: Sequence[Array]) -> str:
    write_video(path, frames)
    return hashlib.sha256(b"".join(to_uint8(frame).tobytes() for frame in frames)).hexdigest()


def _plan(arguments: argparse.Namespace) -> ValidationPlan:
    check_minimums(arguments, {"frames": 1, "seed": 0})
    kinds = tuple(arguments.kinds.split(","))
    wrong = next((kind for kind in kinds if kind not in DEGRADATIONS), None)
    if wrong is not None:
        raise UsageError.of("kinds", wrong, ", ".join(DEGRADATIONS), near_misses(wrong, DEGRADATIONS))
    scale = arguments.scale
    width, height = (side // scale * scale for side in parse_size("--size", arguments.size))
    return ValidationPlan(kinds, arguments.frames, width, height, arguments.seed, scale)


def _run(arguments: argparse.Namespace) -> None:
    plan, paths = _plan(arguments), scenes_in(arguments.list.read_text(encoding="utf-8"))
    total = hashlib.sha256()
    for number, (name, checksum) in enumerate(
        make(arguments.root or arguments.list.parent, paths, arguments.out, plan), start=1
    ):
        total.update(f"{name} {checksum}\n".encode())
        sys.stderr.write(f"{number} of {len(paths)}: {name}\n")
    print(f"{arguments.out}: {len(paths)} scenes, {', '.join(plan.kinds)}; pixels {total.hexdigest()[:16]}")


def main(argv: Sequence[str] | None = None) -> int:
    """Makes the set and returns the exit status."""
    values = options.validation().parse_args(argv)
    return status("validation", lambda: _run(values))


if __name__ == "__main__":
    raise SystemExit(main())
