"""Evaluation of the cut detector: `python -m vsadcvsr.evaluate.cuts --clips DIR --images DIR`.

Prints hits and misses for every kind of cut, false alarms for everything that only looks like one, and both over a
sweep of thresholds. Every second scene goes into either of two halves: a threshold fitted on one is tried on the other.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.commands import check_output, status
from vsadcvsr.errors import MediaError
from vsadcvsr.evaluate import options
from vsadcvsr.extras import needs
from vsadcvsr.files import IMAGES, VIDEOS, write_text

with needs("evaluate", "the measurement of cuts", __name__, options.cuts):
    import cv2

    from vsadcvsr.evaluate.cuts.pairs import AMBIGUOUS, CONTINUOUS, CUTS, Material, Shot, fit
    from vsadcvsr.scenes import luma_thumbnail, scene_distance
    from vsadcvsr.video_io import files_in, read_image, read_thumbnails, read_video, scene_name

type Scores = Mapping[str, NDArray[np.float64]]

_WORKING_WIDTH = 400
_PHOTO_WIDTH = 860
_MIN_FRAMES = 6  # of a clip: as many go on each side of a cut inside a stream
_MIN_SCENES = 4


def material_from(clips: Sequence[Path], images: Sequence[Path]) -> Material:
    """Every clip as a shot, and one photograph of each scene."""
    shots = [
        Shot(scene_name(path.stem), tuple(fit(frame) for frame in read_thumbnails(path, _WORKING_WIDTH)))
        for folder in clips
        for path in files_in(folder, VIDEOS)
    ]
    first_of = {scene_name(path.stem): path for folder in images for path in reversed(files_in(folder, IMAGES))}
    photos = []
    for scene, path in sorted(first_of.items()):
        pixels = read_image(path).transpose(1, 2, 0)
        height = round(pixels.shape[0] * _PHOTO_WIDTH / pixels.shape[1])
        small = cv2.resize(pixels, (_PHOTO_WIDTH, height), interpolation=cv2.INTER_AREA)
        photos.append((scene, np.ascontiguousarray(small.transpose(2, 0, 1), dtype=np.float32)))
    return Material(tuple(shots), tuple(photos))


def check_material(material: Material) -> None:
    """Raises MediaError for clips that are too short for pairs, or of too few scenes for two halves."""
    short = next((shot for shot in material.shots if len(shot.frames) < _MIN_FRAMES), None)
    if short:
        raise MediaError(
            f"a clip of {short.scene} has {len(short.frames)} frames, allowed: {_MIN_FRAMES} or more; take it out"
        )
    scenes = {shot.scene for shot in material.shots}
    if len(scenes) < _MIN_SCENES:
        raise MediaError(
            f"the clips show {len(scenes)} scenes ({', '.join(sorted(scenes))}), allowed: {_MIN_SCENES} or more, two "
            "for each half; name more folders with --clips"
        )


def split_half(material: Material, half: int) -> Material:
    """Every second scene of the material, by name: the first of them for `half` 0, the rest for 1."""
    chosen = set(sorted({shot.scene for shot in material.shots})[half::2])
    chosen_photos = set(sorted({scene for scene, _ in material.photos})[half::2])
    return Material(
        tuple(shot for shot in material.shots if shot.scene in chosen),
        tuple((scene, photo) for scene, photo in material.photos if scene in chosen_photos),
    )


def pair_scores(material: Material) -> dict[str, NDArray[np.float64]]:
    """The distances of every pair of every kind."""
    scores = {}
    for name, kind in {**CUTS, **CONTINUOUS}.items():
        rng = np.random.default_rng([0, zlib.crc32(name.encode())])
        scores[name] = np.array(
            [
                scene_distance(luma_thumbnail(previous), luma_thumbnail(current))
                for previous, current in kind(material, rng)
            ]
        )
    return scores


def totals(scores: Scores, threshold: float) -> tuple[float, float]:
    """Misses and false alarms in percent, every kind of which there are pairs counting the same; the doubtful ones left
    out.
    """
    counted = {name for name, values in scores.items() if len(values) and name not in AMBIGUOUS}
    missed = [np.mean(scores[name] <= threshold) for name in CUTS if name in counted]
    false = [np.mean(scores[name] > threshold) for name in CONTINUOUS if name in counted]
    return 100 * float(np.mean(missed)), 100 * float(np.mean(false))


def best_threshold(scores: Scores) -> float:
    """The threshold with the lowest sum of the two totals, to two digits."""
    return min((round(0.01 * step, 2) for step in range(5, 60)), key=lambda threshold: sum(totals(scores, threshold)))


def table(scores: Scores, threshold: float) -> str:
    """One line a kind: how many pairs, how many of them right, how many wrong, and where their distances lie."""
    lines = [
        f"{'kind':24}{'pairs':>7}{'hits':>7}{'misses':>8}{'false':>7}{'wrong %':>9}   distance 5 % / median / 95 %"
    ]
    for name, values in scores.items():
        if not len(values):  # jump cuts, where no two clips are of one scene
            lines.append(f"{name:24}{0:7}")
            continue
        called = int(np.sum(values > threshold))
        right, wrong = (called, len(values) - called) if name in CUTS else (0, called)
        counts = f"{right:7}{wrong:8}{'':7}" if name in CUTS else f"{'':15}{wrong:7}"
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        doubt = " *" if name in AMBIGUOUS else ""
        share = 100 * wrong / len(values)
        lines.append(f"{name + doubt:24}{len(values):7}{counts}{share:9.1f}   {low:.2f} / {middle:.2f} / {high:.2f}")
    return "\n".join([*lines, "* open to doubt: not in the totals"])


def sweep(scores: Scores) -> str:
    """Misses and false alarms over thresholds."""
    lines = [f"{'threshold':>9}{'missed %':>10}{'false alarm %':>14}"]
    for percent in range(14, 40, 2):
        missed, false = totals(scores, percent / 100)
        lines.append(f"{percent / 100:9.2f}{missed:10.2f}{false:14.2f}")
    return "\n".join(lines)


def detections(path: Path, threshold: float) -> list[tuple[int, float]]:
    """The frames of a whole file that begin a new scene, with their distances."""
    cuts, previous = [], None
    for index, frame in enumerate(read_video(path)):
        small = luma_thumbnail(frame)
        if previous is not None and previous.shape == small.shape:
            apart = scene_distance(previous, small)
            if apart > threshold:
                cuts.append((index, round(apart, 3)))
        previous = small
    return cuts


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns the exit status."""
    values = options.cuts().parse_args(argv)
    return status("cuts", lambda: _measure(values))


def _measure(arguments: argparse.Namespace) -> None:
    check_output("--json", arguments.json)
    cv2.setNumThreads(1)
    material = material_from(arguments.clips, arguments.images)
    check_material(material)
    scores = pair_scores(material)
    print(table(scores, arguments.threshold), sweep(scores), sep="\n\n")
    missed, false = totals(scores, arguments.threshold)
    print(f"\nat {arguments.threshold}: {missed:.2f} % missed, {false:.2f} % false alarms")
    halves = [pair_scores(split_half(material, half)) for half in (0, 1)]
    for fitted, tried in (halves, halves[::-1]):
        threshold = best_threshold(fitted)
        held_out = "{:.2f} % missed, {:.2f} % false alarms".format(*totals(tried, threshold))
        print(f"fitted on one half of the scenes: {threshold}; on the other: {held_out}")
    for path in (path for folder in arguments.whole for path in files_in(folder, VIDEOS)):
        print(f"{path.name}: {detections(path, arguments.threshold)}")
    if arguments.json:
        values = {name: [round(float(value), 4) for value in distances] for name, distances in scores.items()}
        data = {"threshold": arguments.threshold, "missed": missed, "false": false, "distances": values}
        write_text(arguments.json, json.dumps(data))


if __name__ == "__main__":
    raise SystemExit(main())
