"""An engine that a test can predict: picture n is the mean of source frames n-2 to n+2 of its scene, enlarged x4."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np

from vsadcvsr.engine import EndOfClip, InputFrame
from vsadcvsr.spec import Array, ModelSpec

REACH = 2


class MeanEngine:
    """Stateless, so that whatever the plugin does wrong shows; looks `REACH` frames back and ahead, up to cuts."""

    scale = 4
    lookahead = REACH
    streams = 1
    split_output = False
    spec = ModelSpec(name="mean", lookahead=REACH)
    label = "still/cpu/fp32"
    opened: ClassVar[list[dict[str, object]]] = []
    closed: ClassVar[int] = 0

    @classmethod
    def open(cls, model: str, **options: object) -> Self:
        cls.opened.append({"model": model, **options})
        return cls()

    def needed_frames(self, n: int) -> range:
        return self.context_frames(n)

    def context_frames(self, n: int) -> range:
        return range(max(0, n - REACH), n + REACH + 1)

    def reset(self) -> None:
        """Nothing to forget."""

    def output(self, n: int, fetch: Callable[[int], InputFrame]) -> Array:
        before = [_tried(fetch, i) for i in range(max(0, n - REACH), n)]
        sources = _scene_before([*before, fetch(n)])
        for i in range(n + 1, n + REACH + 1):
            source = _tried(fetch, i)
            if source is None or source.cut:
                break
            sources.append(source)
        mean = np.mean([source.pixels for source in sources], axis=0, dtype=np.float32)
        return mean.repeat(4, axis=1).repeat(4, axis=2)

    def planar_output(self, *_: object) -> bool:
        """Never: its pictures are whole."""
        return False

    def close(self) -> None:
        type(self).closed += 1


def _tried(fetch: Callable[[int], InputFrame], i: int) -> InputFrame | None:
    try:
        return fetch(i)
    except EndOfClip:
        return None


def _scene_before(sources: list[InputFrame | None]) -> list[InputFrame]:
    """The last sources, from the last cut on."""
    present = [source for source in sources if source is not None]
    starts = [i for i, source in enumerate(present) if source.cut]
    return present[starts[-1] if starts else 0 :]
