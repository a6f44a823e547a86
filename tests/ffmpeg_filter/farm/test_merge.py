"""The frames of chunks that were kept losslessly, as the merge reads them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest

from ffmpeg_filter.farm import merge
from vsadcvsr.errors import MediaError
from vsadcvsr.farm.store.chunk_boundaries import Chunk


def merged(present: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The timestamps of the frames of chunks 0..2, 2..3 and 3..6, of which so many frames are in the files."""
    monkeypatch.setattr(
        "ffmpeg_filter.farm.intermediate.read",
        lambda path, _: (av.VideoFrame(16, 16, "gray") for _ in range(present[path.name])),
    )
    chunks = [Chunk(number, begin, end, begin, end) for number, (begin, end) in enumerate([(0, 2), (2, 3), (3, 6)])]
    context = SimpleNamespace(
        index=SimpleNamespace(times=range(10, 16), durations=[1] * 6, time_base=Fraction(1, 25)),
        job=SimpleNamespace(chunks=chunks), spec=SimpleNamespace(pixel_format="gray"),
    )  # fmt: skip
    return [frame.pts for frame in merge._intermediate_frames(cast("Any", context), [Path(name) for name in present])]


def test_frames_get_the_times_of_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    assert merged({"a": 2, "b": 1, "c": 3}, monkeypatch) == [10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize(
    ("present", "message"),
    [({"a": 2, "b": 0, "c": 3}, "b has 0 frames instead of 1"), ({"a": 0, "b": 1, "c": 3}, "a has 0 frames"),
     ({"a": 2, "b": 1, "c": 2}, "c has 2 frames instead of 3")],
)  # fmt: skip
def test_a_chunk_that_lacks_frames_is_named(
    present: dict[str, int], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MediaError, match=message):
        merged(present, monkeypatch)
