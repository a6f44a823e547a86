"""What the engine must give, computed scene by scene in plain numpy, and clips that count what is fetched."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from tests.cuts import is_cut
from vsadcvsr import scenes
from vsadcvsr.backends.nearest import TAPS
from vsadcvsr.engine import EndOfClip, InputFrame
from vsadcvsr.spec import Array, ModelSpec

REACH = len(TAPS) // 2


def clip_of(count: int, cuts: Iterable[int] = (), size: tuple[int, int] = (5, 6), seed: int = 0) -> Array:
    """Frames (count, 3, H, W): each scene a picture of its own, each frame that with a little noise."""
    random = np.random.default_rng(seed)
    begins = {0, *cuts}
    frames, picture = [], np.zeros((3, *size), np.float32)
    for n in range(count):
        picture = random.random((3, *size), np.float32) if n in begins else picture
        frames.append(0.98 * picture + 0.02 * random.random((3, *size), np.float32))
    return np.array(frames, np.float32).reshape(count, 3, *size)


def detected(frames: Array, threshold: float = scenes.DEFAULT_THRESHOLD) -> set[int]:
    """Where the detector sees cuts."""
    return {n for n in range(1, len(frames)) if is_cut(frames[n - 1], frames[n], threshold)}


def scene_of(n: int, count: int, cuts: Collection[int]) -> range:
    """The numbers of the frames in n's scene."""
    begins = sorted({0, *cuts} & set(range(count)))
    begin = max(start for start in begins if start <= n)
    return range(begin, min([start for start in begins if start > n], default=count))


def expected(frames: Array, n: int, cuts: Collection[int], scale: int = 4) -> Array:
    """Picture n of `nearest-temporal`, or of `nearest-temporal-scales` at a scale: the weighted mean of its scene's
    frames around it, enlarged.
    """
    scene = scene_of(n, len(frames), cuts)
    total, weight = np.zeros_like(frames[0]), np.float32(0)
    for tap, t in enumerate(range(n - REACH, n + REACH + 1)):
        if t in scene:
            total += np.float32(TAPS[tap]) * frames[t]
            weight += np.float32(TAPS[tap])
    mean: Array = np.clip(total / weight, 0, 1)
    return mean.repeat(scale, axis=1).repeat(scale, axis=2)


class Clip:
    """Frames to fetch, with cuts told or left to the detector; `lost` ones are not there."""

    def __init__(self, frames: Array, cuts: Collection[int] | None = None, lost: Collection[int] = ()) -> None:
        self.frames = frames
        self.cuts = cuts
        self.lost = set(lost)
        self.fetched: list[int] = []

    def fetch(self, i: int) -> InputFrame:
        if i >= len(self.frames) or i in self.lost:
            raise EndOfClip
        self.fetched.append(i)
        return InputFrame(self.frames[i], None if self.cuts is None else i in self.cuts)

    def sources(self) -> list[InputFrame]:
        return [InputFrame(frame, None if self.cuts is None else n in self.cuts) for n, frame in enumerate(self.frames)]


class Boxes:
    """A backend whose pictures are sums over 3x3x2 pixels, exact on frames of multiples of 1/256; knows how to fail."""

    def __init__(self, *, reach: int | None = 1, limit: int | None = None, scale: int = 4) -> None:
        self.spec = ModelSpec(name="boxes", lookahead=1, multiple=2, reach=reach, scale=scale)
        self.label = "boxes"
        self.limit = limit
        self.sizes: list[tuple[int, int]] = []
        self.steps = 0

    def start(self, height: int, width: int) -> object:
        self.sizes.append((height, width))
        return np.zeros((1, 3, height, width), np.float32)

    def step(self, frames: Array, links: Array, state: object) -> tuple[Array, object]:
        self.steps += 1
        assert isinstance(state, np.ndarray)
        if self.limit and frames[0, 0].size > self.limit:
            raise MemoryError("all gone")
        summed = np.pad(state[0] + links[0] * frames[0], ((0, 0), (1, 1), (1, 1)))
        height, width = frames.shape[2:]
        total = sum(summed[:, y : y + height, x : x + width] for y in range(3) for x in range(3))
        picture = np.asarray(total, np.float32) / np.float32(32)
        return picture.repeat(self.spec.scale, axis=1).repeat(self.spec.scale, axis=2)[None], frames

    def close(self) -> None:
        pass


def even(count: int, height: int, width: int) -> Array:
    """Frames of multiples of 1/256."""
    return (np.random.default_rng(1).integers(0, 256, (count, 3, height, width)) / 256).astype(np.float32)
