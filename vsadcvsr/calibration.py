"""Ranges of a network's layers for 8-bit integers: a small file next to a model, see `vsadcvsr.train.calibrate`.

It holds the checksums of the weights that were measured, since ranges of other weights would degrade the output
without notice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from vsadcvsr.blending import Blend
from vsadcvsr.errors import WeightsError
from vsadcvsr.files import replacing, sha256
from vsadcvsr.former_names import with_current_names

SUFFIX = "-int8.json"
"""Suffix of the file with ranges: those of `NAME.onnx` are in `NAME-int8.json`."""

FORMAT = 1

_log = logging.getLogger(__name__)

type Range = tuple[float, float]
"""The smallest and the largest input of a layer that 8 bits stand for; others are clipped."""


def ranges_path(path: Path) -> Path:
    """Where the ranges of a model's file are, if it has any."""
    return path.with_name(path.stem + SUFFIX)


def read(path: Path, blend: Blend | None = None) -> dict[str, Range]:
    """The ranges of the layers of a model's file, by their names; empty if they are of other weights.

    Raises WeightsError for a damaged file.
    """
    ranges = ranges_path(path)
    if not ranges.is_file() or not path.is_file():
        return {}
    try:
        data = json.loads(ranges.read_text("utf-8"))
        sums = [data["format"], data["model"], *([data["restoring"]] if blend else [])]
        max_denoise = float(data["denoise"])
        bounds = with_current_names(data["ranges"])
        ranges_by_layer = {layer: (float(least), float(most)) for layer, (least, most) in bounds.items()}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{ranges} holds no ranges; remove it, or calibrate the model again") from error
    fits = sums == [FORMAT, sha256(path), *([sha256(blend.path)] if blend else [])]
    if fits and (blend is None or blend.denoise <= max_denoise):
        return ranges_by_layer
    _log.info("%s is of other weights, or of a lower denoise than requested: int8 is not used", ranges.name)
    return {}


def write(path: Path, restoring: Path | None, ranges: Mapping[str, Range], *, denoise: float = 1.0) -> Path:
    """Writes the ranges of a model's file, with up to `denoise` of its restoring weights; returns their path."""
    data = {
        "format": FORMAT,
        "model": sha256(path),
        "restoring": sha256(restoring) if restoring else None,
        "denoise": denoise,
        "ranges": {layer: [round(bound, 4) for bound in bounds] for layer, bounds in ranges.items()},
    }
    ranges_file = ranges_path(path)
    with replacing(ranges_file) as unfinished:
        unfinished.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return ranges_file
