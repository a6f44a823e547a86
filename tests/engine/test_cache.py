"""The ring keeps a fixed number of pictures and lets go of the one least recently used."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vsadcvsr.engine.cache import FrameCache, default_capacity
from vsadcvsr.engine.schedule import StreamPosition

PICTURE = np.zeros((3, 4, 4), np.float32)


@given(st.integers(1, 5), st.lists(st.integers(0, 9)))
def test_a_ring_holds_the_numbers_that_were_used_last(capacity: int, numbers: list[int]) -> None:
    ring, used = FrameCache(capacity), list[int]()
    for n in numbers:
        if ring.get(n) is None:
            ring.put(n, PICTURE)
        used = [*(m for m in used if m != n), n][-capacity:]
        assert len(ring) == len(used)
    assert all(ring.get(n) is not None for n in used)


def test_the_usual_capacity_is_what_fits_but_never_too_few() -> None:
    assert default_capacity(PICTURE) == 32
    assert default_capacity(np.empty((3, 1080, 1920), np.float32)) == 10
    assert default_capacity(np.empty((3, 8640, 15360), np.float32)) == 4


@given(st.integers(0, 5), st.integers(0, 9), st.integers(1, 20))
def test_a_course_gives_one_picture_for_each_frame_after_warming_up(lookahead: int, begin: int, feeds: int) -> None:
    position = StreamPosition(lookahead, begin, begin)
    came = [position.advance() for _ in range(feeds)]
    warm = min(lookahead, feeds)
    assert came == [None] * warm + list(range(begin, begin + feeds - warm))
    assert position.next_output == begin + feeds - warm


def test_a_course_that_begins_inside_a_scene_leads_to_no_picture_before_the_one_it_was_begun_for() -> None:
    position = StreamPosition(2, 8, 10)
    assert not position.is_ahead(9, slack=4)
    assert position.is_ahead(10, slack=0)
    position.end = 12
    assert not position.is_ahead(12, slack=9)
