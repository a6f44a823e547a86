"""The decision of the cut detector for two frames, as hosts make it from thumbnails that they keep."""

from __future__ import annotations

from vsadcvsr.scenes import DEFAULT_THRESHOLD, luma_thumbnail, scene_distance
from vsadcvsr.spec import Array


def is_cut(previous: Array, current: Array, threshold: float = DEFAULT_THRESHOLD) -> bool:
    """Whether frame `current` begins a new scene after frame `previous`. A threshold of 0 or less finds no cuts."""
    return threshold > 0 and scene_distance(luma_thumbnail(previous), luma_thumbnail(current)) > threshold
