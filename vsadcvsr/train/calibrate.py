"""Calibration of a compact student for 8-bit integers: the smallest and the largest input of each layer on sources made
from your data, with several shares of its restoring weights.

python -m vsadcvsr.train.calibrate run/fast.onnx --data CLIPS
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from vsadcvsr import calibration
from vsadcvsr.blending import Blend, checked
from vsadcvsr.commands import check_minimums, status
from vsadcvsr.errors import MediaError, UsageError, WeightsError
from vsadcvsr.extras import needs
from vsadcvsr.files import IMAGES, VIDEOS, files_below
from vsadcvsr.weights import store

with needs("train", "calibration", __name__):
    import numpy as np
    import torch
    from torch import Tensor, nn

    from vsadcvsr.nets.compact import CompactStudent
    from vsadcvsr.nets.export import load_weights
    from vsadcvsr.train.data.segments import VideoSegments
    from vsadcvsr.train.degradations.mild import clean, light
    from vsadcvsr.video_io import read_pixels

_FILES = 60
_FRAMES = 3  # of each video
_SIDE = 768  # pixels of a frame's middle that are used, at most
_MULTIPLE = 4  # what the sides of a student's frames must divide by
_SHARES = (0.0, 0.5, 1.0)  # of the most denoise


def ranges_of(student: CompactStudent, clips: Sequence[Tensor]) -> dict[str, calibration.Range]:
    """The range of each convolution's inputs over clips (T, 3, H, W), by its name."""
    ranges: dict[str, calibration.Range] = {}

    def note(name: str, arguments: Tensor) -> None:
        least, most = ranges.get(name, (0.0, 0.0))
        ranges[name] = min(least, float(arguments.min())), max(most, float(arguments.max()))

    def noting(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return layer.register_forward_pre_hook(lambda _, arguments: note(name, arguments[0]))

    layers = [(name, layer) for name, layer in student.named_modules() if isinstance(layer, nn.Conv2d)]
    hooks = [noting(name, layer) for name, layer in layers]
    with torch.inference_mode():
        for clip in clips:
            links = torch.ones(len(clip))
            links[0] = 0
            student(clip, links)
    for hook in hooks:
        hook.remove()
    return ranges


def clips_in(folders: Sequence[Path], most: int, scale: int) -> Iterator[Tensor]:
    """Sources (T, 3, H, W) of a model of that scale, made from up to `most` files, evenly chosen: each a clean one, and
    a decent one.
    """
    rng = np.random.default_rng(0)
    ranges = files_below(folders, (*VIDEOS, *IMAGES))
    if not ranges:
        raise UsageError(f"no videos or pictures in {', '.join(map(str, folders))}; name other folders with --data")
    for path in ranges[:: -(-len(ranges) // most)]:
        with suppress(MediaError):  # unreadable files are skipped
            frames = _frames(path, _MULTIPLE * scale)
            large = np.asarray(frames, np.float32) / np.float32(255)
            for make in (clean, light):
                small = make(large, rng, scale)
                yield torch.from_numpy(np.ascontiguousarray(small.transpose(0, 3, 1, 2))).float() / 255


def _frames(path: Path, multiple: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """The middle of the first frames of a file."""
    if path.suffix.lower() in IMAGES:
        shot = [read_pixels(path)]
    else:
        shot = VideoSegments.of(path, frames=_FRAMES, size=multiple).shots(0)[0][:_FRAMES]
    sides = [min(side, _SIDE) // multiple * multiple for side in shot[0].shape[:2]]
    top, left = ((whole - side) // 2 for whole, side in zip(shot[0].shape[:2], sides, strict=True))
    return [frame[top : top + sides[0], left : left + sides[1]] for frame in shot]


def calibrate(model: str | Path, folders: Sequence[Path], *, most: int = _FILES, denoise: float = 1.0) -> Path:
    """Writes the ranges of a model, up to that `denoise`, next to its ONNX file; returns their path."""
    graph, weights = (store.find(_alike(model, suffix), (suffix,)) for suffix in (".onnx", ".safetensors"))
    try:
        restoring = store.restoring(model)
    except WeightsError:
        restoring = None
    clips = list(clips_in(folders, most, load_weights(weights).spec.scale))
    ranges: dict[str, calibration.Range] = {}
    for share in _SHARES if restoring else _SHARES[:1]:
        student = load_weights(weights, Blend(restoring, share * denoise) if restoring else None)
        for name, (least, greatest) in ranges_of(student, clips).items():
            known = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(known[0], least), max(known[1], greatest)
    return calibration.write(graph, restoring, ranges, denoise=denoise)


def _alike(model: str | Path, suffix: str) -> str | Path:
    """A model's name unchanged, or a file's path with another suffix."""
    path = Path(model)
    return path.with_suffix(suffix) if path.suffix else model


def main(argv: Sequence[str] | None = None) -> int:
    """Calibrates a model, and returns the exit status."""
    about = (__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m vsadcvsr.train.calibrate", description=about)
    parser.add_argument("model", help="a name, or an .onnx file with its .safetensors next to it")
    parser.add_argument("--data", type=Path, action="append", required=True, help="a folder of videos and pictures")
    parser.add_argument("--files", type=int, default=_FILES, help="how many of them are used")
    parser.add_argument("--denoise", type=float, default=1.0, help="the most for which int8 is good enough")
    arguments = parser.parse_args(argv)
    return status("calibrate", lambda: _say(arguments))


def _say(arguments: argparse.Namespace) -> None:
    check_minimums(arguments, {"files": 1})
    denoise = checked(arguments.denoise)
    sys.stdout.write(f"{calibrate(arguments.model, arguments.data, most=arguments.files, denoise=denoise)}\n")


if __name__ == "__main__":
    raise SystemExit(main())
