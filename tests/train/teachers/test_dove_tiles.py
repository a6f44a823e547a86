"""Chunks, tiles and paddings of DOVE: arithmetic alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsadcvsr.errors import UsageError
from vsadcvsr.train.teachers.dove_tiles import DoveTiling, chunks, padded_frames, padded_side, split, tiles

LENGTHS = st.integers(1, 200)


@st.composite
def pieces(draw: st.DrawFn) -> DoveTiling:
    """Pieces of any allowed kind, small enough for arrays of voxels."""
    chunk = draw(st.integers(0, 9))
    sides = draw(st.just((0, 0)) | st.tuples(*[st.integers(1, 5).map(lambda many: 16 * many)] * 2))
    overlaps = [draw(st.integers(0, side - 1)) if side else 32 for side in sides]
    return DoveTiling(chunk, draw(st.integers(0, max(chunk - 1, 0))), sides, (overlaps[0], overlaps[1]))


@given(LENGTHS, st.integers(1, 60), st.integers(0, 59))
def test_spans_write_every_place_once_and_only_what_they_were_given(length: int, size: int, overlap: int) -> None:
    cut = split(length, size, min(overlap, size - 1))
    written = np.zeros(length, int)
    for span in cut:
        assert span.end - span.begin == min(size, length)
        assert 0 <= span.begin <= span.first < span.last <= span.end <= length
        assert span.kept_slice.stop - span.kept_slice.start == span.output_slice.stop - span.output_slice.start
        written[span.output_slice] += 1
    assert (written == 1).all()


@settings(max_examples=50)
@given(pieces(), st.integers(1, 20), st.integers(1, 2), st.integers(1, 2))
def test_chunks_and_tiles_write_every_voxel_once(cut: DoveTiling, frames: int, rows: int, columns: int) -> None:
    height, width = 64 * rows, 64 * columns
    written = np.zeros((frames, height, width), np.uint8)
    for chunk in chunks(frames, cut):
        for row, column in tiles(height, width, cut):
            assert (row.end - row.begin) % 16 == (column.end - column.begin) % 16 == 0
            written[chunk.output_slice, row.output_slice, column.output_slice] += 1
    assert (written == 1).all()


def test_neighbours_give_way_in_the_middle_of_what_they_share() -> None:
    first, second, last = split(40, 20, 8)
    assert (first.begin, first.end, first.first, first.last) == (0, 20, 0, 16)
    assert (second.begin, second.end, second.first, second.last) == (12, 32, 16, 26)
    assert (last.begin, last.end, last.first, last.last) == (20, 40, 26, 40)


def test_without_a_size_all_is_one_piece() -> None:
    assert [len(split(7, size, 2)) for size in (0, 7, 8)] == [1, 1, 1]


@given(LENGTHS)
def test_frames_are_padded_to_the_next_one_of_eight_and_one(frames: int) -> None:
    assert padded_frames(frames) % 8 == 1
    assert 0 <= padded_frames(frames) - frames < 8


@given(LENGTHS)
def test_sides_are_padded_to_the_next_multiple_of_sixteen(side: int) -> None:
    assert padded_side(side) % 16 == 0
    assert 0 <= padded_side(side) - side < 16


def test_the_papers_clip_needs_no_padding() -> None:
    assert (padded_frames(25), padded_side(128)) == (25, 128)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk": 8}, "chunk is 8, allowed: 0, or more frames than the 8 of overlap"),
        ({"chunk": -1}, "chunk is -1"),
        ({"tile": (500, 512)}, r"tile is \(500, 512\), allowed: 0 0, or rows and columns in multiples of 16"),
        ({"tile": (0, 512)}, r"tile is \(0, 512\)"),
        ({"tile": (32, 64)}, r"tile is \(32, 64\), allowed: more than the overlap of \(32, 32\)"),
        ({"tile": (-64, -64)}, r"tile is \(-64, -64\)"),
    ],
)
def test_pieces_that_cannot_be_are_refused_in_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DoveTiling(**options)  # type: ignore[arg-type]
