"""Calibration of a compact student for 8-bit integers: the range of each layer's inputs on sources made from your data,
with several shares of its restoring weights.

Outliers, one input in a thousand on each side, are clipped when the network runs: quantisation steps that reach them
are twice as coarse, and cost two to ten times as much of the picture. At x1 one noisy scene of 22 lost more by that.

python -m vsadcvsr.train.calibrate run/fast.onnx --data CLIPS
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vsadcvsr import argument_checks, calibration
from vsadcvsr.blending import checked
from vsadcvsr.commands import check_minimums, status
from vsadcvsr.errors import MediaError, UsageError, WeightsError
from vsadcvsr.extras import needs
from vsadcvsr.files import IMAGES, VIDEOS, files_below
from vsadcvsr.train import options
from vsadcvsr.weights import store

with needs("train", "calibration", __name__, options.calibrate_options):
    import numpy as np
    import torch
    from torch import Tensor, nn

    from vsadcvsr.nets.compact import CompactStudent
    from vsadcvsr.nets.export import load_weights
    from vsadcvsr.train.data.segments import VideoSegments
    from vsadcvsr.train.degradations.mild import clean, light, poor
    from vsadcvsr.train.students import PIXEL_LAYERS, blended, run_over
    from vsadcvsr.video_io import read_pixels

_FRAMES = 3  # of each video
_SIDE = 768  # pixels of a frame's middle that are used, at most
_MULTIPLE = 4  # what the sides of a student's frames must divide by
_MAX_VALUES = 1 << 17  # of a layer's inputs that are sorted


def ranges_of(
    student: CompactStudent, clips: Sequence[Tensor], *, clipped: float = options.CLIPPED
) -> dict[str, calibration.Range]:
    """The range of each convolution's inputs over clips (T, 3, H, W), by its name: the widest of a clip's, without a
    share of `clipped` on each side. Every value of the frame itself counts.
    """
    layers = {name: layer for name, layer in student.named_modules() if isinstance(layer, nn.Conv2d)}
    ranges: dict[str, calibration.Range] = {name: (0.0, 1.0) for name in PIXEL_LAYERS if name in layers}

    def noting(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return layer.register_forward_pre_hook(lambda _, inputs: _widen(ranges, name, _bounds(inputs[0], clipped)))

    hooks = [noting(name, layer) for name, layer in layers.items()]
    run_over(student, clips)
    for hook in hooks:
        hook.remove()
    return ranges


def _bounds(values: Tensor, clipped: float) -> calibration.Range:
    """The percentiles between which the values are not clipped, of a regular subsample."""
    if not clipped:
        return values.min().item(), values.max().item()
    chosen = values.flatten()[:: -(-values.numel() // _MAX_VALUES)]
    least, most = torch.quantile(chosen, torch.tensor([clipped, 1 - clipped])).tolist()
    return least, most


def _widen(ranges: dict[str, calibration.Range], name: str, other: calibration.Range) -> None:
    """Makes a layer's range hold another, and 0."""
    least, most = ranges.get(name, (0.0, 0.0))
    ranges[name] = min(least, other[0]), max(most, other[1])


def calibration_clips(folders: Sequence[Path], max_files: int, scale: int) -> Iterator[Tensor]:
    """Sources (T, 3, H, W) of a model of that scale, made from up to `max_files` files, evenly chosen: each a clean
    one, a decent one and a poor one. Unusable files are left out; MediaError if no other is chosen.
    """
    rng = np.random.default_rng(0)
    files = files_below(folders, (*VIDEOS, *IMAGES))
    if not files:
        raise UsageError(f"no videos or pictures in {', '.join(map(str, folders))}; name other folders with --data")
    chosen = files[:: -(-len(files) // max_files)]
    unusable: list[str] = []
    for path in chosen:
        try:
            frames = _frames(path, _MULTIPLE * scale)
        except MediaError as error:
            unusable.append(str(error))
            continue
        large = np.asarray(frames, np.float32) / np.float32(255)
        for make in (clean, light, poor):
            small = make(large, rng, scale)
            yield torch.from_numpy(np.ascontiguousarray(small.transpose(0, 3, 1, 2))).float() / 255
    if len(unusable) == len(chosen):
        raise MediaError(f"none of {len(chosen)} files of --data is of use, the first: {unusable[0]}")


def _frames(path: Path, multiple: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """The middle of the first frames of a file. Raises MediaError where it is unusable."""
    if path.suffix.lower() in IMAGES:
        shot = [read_pixels(path)]
    else:
        shot = VideoSegments.of(path, frames=_FRAMES, size=multiple).shots(0)[0][:_FRAMES]
    height, width = shot[0].shape[:2]
    if min(height, width) < multiple:
        raise MediaError(f"{path} is too small an image: {width}x{height}, allowed: {multiple}x{multiple} or more")
    sides = [min(side, _SIDE) // multiple * multiple for side in (height, width)]
    top, left = ((whole - side) // 2 for whole, side in zip(shot[0].shape[:2], sides, strict=True))
    return [frame[top : top + sides[0], left : left + sides[1]] for frame in shot]


def calibrate(
    model: str | Path,
    folders: Sequence[Path],
    *,
    max_files: int = options.CALIBRATION_FILES,
    denoise: float = 1.0,
    clipped: float = options.CLIPPED,
) -> Path:
    """Writes the ranges of a model, up to that `denoise`, next to its ONNX file; returns their path."""
    graph, weights = (store.find(_alike(model, suffix), (suffix,)) for suffix in (".onnx", ".safetensors"))
    try:
        restoring = store.restoring(model)
    except WeightsError:
        restoring = None
    clips = list(calibration_clips(folders, max_files, load_weights(weights).spec.scale))
    ranges: dict[str, calibration.Range] = {}
    for student in blended(weights, restoring, denoise):
        for name, range_of_share in ranges_of(student, clips, clipped=clipped).items():
            _widen(ranges, name, range_of_share)
    return calibration.write(graph, restoring, ranges, denoise=denoise)


def _alike(model: str | Path, suffix: str) -> str | Path:
    """A model's name unchanged, or a file's path with another suffix."""
    path = Path(model)
    return path.with_suffix(suffix) if path.suffix else model


def main(argv: Sequence[str] | None = None) -> int:
    """Calibrates a model, and returns the exit status."""
    arguments = options.calibrate_options().parse_args(argv)
    return status("calibrate", lambda: _say(arguments))


def _say(arguments: argparse.Namespace) -> None:
    check_minimums(arguments, {"files": 1})
    denoise, clipped = checked(arguments.denoise), arguments.clipped
    argument_checks.in_range("clipped", clipped, (0, options.MAX_CLIPPED), f"0 to {options.MAX_CLIPPED}")
    path = calibrate(arguments.model, arguments.data, max_files=arguments.files, denoise=denoise, clipped=clipped)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    raise SystemExit(main())
