"""Pairs of neighbouring frames with known truth: real cuts, and changes that are none.

Every kind is a function `(material, rng) -> Iterator[(previous, current)]`, in the tables `CUTS` and `CONTINUOUS`.
Frames are float32 RGB of `SIZE`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import av
import cv2
import numpy as np

from vsadcvsr.spec import Array
from vsadcvsr.video_io import to_float

SIZE = (320, 180)
type Pair = tuple[Array, Array]
type Kind = Callable[["Material", np.random.Generator], Iterator[Pair]]


@dataclass(frozen=True)
class Shot:
    """Frames without a cut. Shots of one `scene` show the same place."""

    scene: str
    frames: tuple[Array, ...]


@dataclass(frozen=True)
class Material:
    """Source of pairs: moving shots, and photographs of at least `SIZE` (by scene)."""

    shots: tuple[Shot, ...]
    photos: tuple[tuple[str, Array], ...]


def fit(frame: Array) -> Array:
    """The middle of `frame` in the shape of `SIZE`, area averaged."""
    width, height = SIZE
    _, rows, columns = frame.shape
    crop_width = min(columns, max(1, rows * width // height))
    crop_height = min(rows, max(1, columns * height // width))
    top, left = (rows - crop_height) // 2, (columns - crop_width) // 2
    return _resized(frame[:, top : top + crop_height, left : left + crop_width])


def _resized(frame: Array) -> Array:
    picture = cv2.resize(np.ascontiguousarray(frame.transpose(1, 2, 0)), SIZE, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def _shot_boundaries(material: Material, rng: np.random.Generator, count: int) -> Iterator[Pair]:
    """Frames of two different scenes, clips and photographs mixed."""
    pool = [(shot.scene, shot.frames) for shot in material.shots]
    pool += [(scene, (fit(photo),)) for scene, photo in material.photos]
    drawn = 0
    while drawn < count:
        first, second = (pool[int(index)] for index in rng.integers(len(pool), size=2))
        if first[0] != second[0]:
            drawn += 1
            yield first[1][int(rng.integers(len(first[1])))], second[1][int(rng.integers(len(second[1])))]


def hard_cuts(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    yield from _shot_boundaries(material, rng, 300)


def matched_cuts(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Cuts between images of the same brightness and contrast in every channel."""
    for previous, current in _shot_boundaries(material, rng, 200):
        mean, deviation = (getattr(current, name)(axis=(1, 2), keepdims=True) for name in ("mean", "std"))
        target_mean, target_deviation = (
            getattr(previous, name)(axis=(1, 2), keepdims=True) for name in ("mean", "std")
        )
        yield (
            previous,
            np.clip((current - mean) / np.maximum(deviation, 1e-3) * target_deviation + target_mean, 0, 1).astype(
                np.float32
            ),
        )


def clip_cuts(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Cuts from one moving shot to another, every pair of scenes."""
    for shot in material.shots:
        for other in material.shots:
            if shot.scene != other.scene:
                yield shot.frames[-1], other.frames[0]


def jump_cuts(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Cuts inside one scene: the same place a few seconds later."""
    for shot in material.shots:
        for other in material.shots:
            if shot.scene == other.scene and shot is not other:
                yield shot.frames[-1], other.frames[0]


def compressed_cuts(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Cuts inside a stream of very low bit rate."""
    shots = material.shots
    apart = [(first, second) for first in shots for second in shots if first.scene != second.scene]
    for index in rng.permutation(len(apart))[:60]:
        first, second = apart[index]
        clip = compressed([*first.frames[:6], *second.frames[:6]], crf=int(rng.integers(36, 46)))
        yield clip[5], clip[6]


def even_cuts(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """From a black, grey or white field straight to an image, or back."""
    for shot in material.shots:
        field = np.full_like(shot.frames[0], float(rng.choice([0.0, 0.5, 1.0])))
        yield from ((field, shot.frames[0]), (shot.frames[-1], field))


def noisy_cuts(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    for previous, current in _shot_boundaries(material, rng, 150):
        sigma = float(rng.uniform(0.04, 0.12))
        yield _add_noise(previous, sigma, rng), _add_noise(current, sigma, rng)


def real_motion(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Real neighbours."""
    for shot in material.shots:
        yield from pairwise(shot.frames)


def dropped_frames(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Real motion at a third of the frame rate."""
    for shot in material.shots:
        yield from list(zip(shot.frames, shot.frames[3:], strict=False))[::2]


def _brightness_changes(frames: Sequence[Array], rng: np.random.Generator) -> Iterator[Pair]:
    """A frame and its successor under another exposure: gain, offset and gamma, clipped as a camera does."""
    index = int(rng.integers(len(frames) - 1))
    gain, lift, gamma = rng.uniform(1.3, 3.0), rng.uniform(0.0, 0.25), rng.uniform(0.7, 1.4)
    exposed = np.clip(gain * frames[index + 1] ** gamma + lift, 0, 1).astype(np.float32)
    yield frames[index], exposed
    if index + 2 < len(frames):
        yield exposed, frames[index + 2]


def flashes(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """One bright frame: into it, and out of it."""
    for shot in material.shots:
        for _ in range(4):
            yield from _brightness_changes(shot.frames, rng)


def exposures(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """An exposure that jumps, up or down."""
    for shot in material.shots:
        for _ in range(6):
            index = int(rng.integers(len(shot.frames) - 1))
            gain, gamma = float(np.exp(rng.uniform(-0.9, 0.7))), float(rng.uniform(0.7, 1.4))
            yield shot.frames[index], np.clip(gain * shot.frames[index + 1] ** gamma, 0, 1).astype(np.float32)


def fades(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """To and from black or white in 4 to 24 frames."""
    for shot in material.shots:
        length, goal = int(rng.integers(4, 25)), float(rng.integers(2))
        frames = shot.frames[:length]
        weights = np.linspace(0, 1, len(frames), dtype=np.float32)
        faded = [frame * (1 - weight) + goal * weight for frame, weight in zip(frames, weights, strict=True)]
        faded = faded if rng.integers(2) else faded[::-1]
        yield from pairwise(faded)


def dissolves(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """One shot into another in 6 to 24 frames."""
    for shot in material.shots:
        other = material.shots[int(rng.integers(len(material.shots)))]
        length = min(int(rng.integers(6, 25)), len(shot.frames), len(other.frames))
        weights = np.linspace(0, 1, length + 2, dtype=np.float32)[1:-1]
        mixed = [
            before * (1 - weight) + after * weight
            for before, after, weight in zip(shot.frames, other.frames, weights, strict=False)
        ]
        yield from pairwise(mixed)


def view(photo: Array, centre: tuple[float, float], zoom: float, angle: float = 0.0) -> Array:
    """What a camera sees of a photograph: `centre` as a share of its size, `zoom` 1 for its whole width."""
    width, height = SIZE
    _, rows, columns = photo.shape
    scale = width / columns * zoom
    turn = cv2.getRotationMatrix2D((centre[0] * columns, centre[1] * rows), angle, scale)
    turn[:, 2] += (width / 2 - centre[0] * columns, height / 2 - centre[1] * rows)
    soft = cv2.GaussianBlur(np.ascontiguousarray(photo.transpose(1, 2, 0)), (0, 0), max(0.3, 0.4 / scale))
    picture = cv2.warpAffine(soft, turn, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def _pans(material: Material, rng: np.random.Generator, slowest: float, fastest: float) -> Iterator[Pair]:
    for _, photo in material.photos:
        speed = rng.uniform(slowest, fastest) / 2  # the view is half of the photograph's width
        angle = rng.uniform(-0.5, 0.5) if rng.integers(4) else rng.uniform(0, 6.28)
        step = speed * np.array([np.cos(angle), np.sin(angle) * photo.shape[2] / photo.shape[1]]) * rng.choice([-1, 1])
        middle = np.array([0.5, 0.5]) + rng.uniform(-0.1, 0.1, size=2)
        before, after = middle - step / 2, middle + step / 2
        yield view(photo, (before[0], before[1]), 2.0), view(photo, (after[0], after[1]), 2.0)


def pans(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """1 to 6 % of the width a frame."""
    yield from _pans(material, rng, 0.01, 0.06)


def fast_pans(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """6 to 15 % of the width a frame: across the image in a quarter to half a second."""
    yield from _pans(material, rng, 0.06, 0.15)


def whip_pans(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """15 to 30 % of the width a frame, without its motion blur: the most difficult kind."""
    yield from _pans(material, rng, 0.15, 0.30)


def camera_shake(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """A jolted camera: up to 5 % of the width, 3 degrees, 3 % zoom between two frames."""
    for _, photo in material.photos:
        for _ in range(2):
            first, second = rng.uniform(-0.0125, 0.0125, size=(2, 2)) + 0.5
            turns, zooms = rng.uniform(-1.5, 1.5, size=2), rng.uniform(1.97, 2.03, size=2)
            yield (
                view(photo, (first[0], first[1]), zooms[0], turns[0]),
                view(photo, (second[0], second[1]), zooms[1], turns[1]),
            )


def zooms(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """In or out by 3 to 15 % a frame."""
    for _, photo in material.photos:
        factor = float(np.exp(rng.uniform(0.03, 0.14) * rng.choice([-1, 1])))
        yield view(photo, (0.5, 0.5), 1.8), view(photo, (0.5, 0.5), 1.8 * factor)


def _add_noise(frame: Array, sigma: float, rng: np.random.Generator) -> Array:
    return np.clip(frame + rng.normal(0, sigma, frame.shape), 0, 1).astype(np.float32)


def noise(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Strong noise on real motion, sigma 10 to 30 of 255."""
    for shot in material.shots:
        sigma = float(rng.uniform(0.04, 0.12))
        for previous, current in list(pairwise(shot.frames))[::6]:
            yield _add_noise(previous, sigma, rng), _add_noise(current, sigma, rng)


def low_bitrate(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Streams of very low bit rate (H.264, crf 38 to 48), whose quality jumps at key frames."""
    for shot in material.shots:
        frames = compressed(list(shot.frames[:16]), crf=int(rng.integers(38, 49)))
        yield from pairwise(frames)


def occluded(material: Material, rng: np.random.Generator) -> Iterator[Pair]:
    """Something dark or bright enters and hides 10 to 35 % of the image from one frame to the next."""
    width, height = SIZE
    for shot in material.shots:
        for _ in range(3):
            index = int(rng.integers(len(shot.frames) - 1))
            hidden = shot.frames[index + 1].copy()
            left = int(rng.integers(width // 2))
            hidden[:, int(rng.integers(height // 4)) :, left : left + int(width * rng.uniform(0.1, 0.35))] = (
                rng.uniform(0, 1)
            )
            yield shot.frames[index], hidden


def compressed(frames: list[Array], *, crf: int) -> list[Array]:
    """The frames after H.264 with a key frame every 8."""
    stored = io.BytesIO()
    with av.open(stored, "w", format="matroska") as out:
        stream = out.add_stream(
            "libx264", rate=25, options={"crf": str(crf), "preset": "veryfast", "g": "8", "threads": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for frame in frames:
            pixels = np.ascontiguousarray((frame.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    stored.seek(0)
    with av.open(stored, "r") as source:
        return [to_float(frame.to_ndarray(format="rgb24")) for frame in source.decode(video=0)]


AMBIGUOUS = ("jump cut", "whip pan")
"""Ambiguous kinds, which are listed and not counted in the totals."""

CUTS: dict[str, Kind] = {
    "hard cut": hard_cuts,
    "matched cut": matched_cuts,
    "cut between clips": clip_cuts,
    "cut, few bits": compressed_cuts,
    "cut, noise": noisy_cuts,
    "even field": even_cuts,
    "jump cut": jump_cuts,
}
CONTINUOUS: dict[str, Kind] = {
    "real motion": real_motion,
    "real motion, 1/3 rate": dropped_frames,
    "flash": flashes,
    "exposure jump": exposures,
    "fade": fades,
    "dissolve": dissolves,
    "pan": pans,
    "fast pan": fast_pans,
    "whip pan": whip_pans,
    "shake": camera_shake,
    "zoom": zooms,
    "noise": noise,
    "few bits": low_bitrate,
    "occlusion": occluded,
}
