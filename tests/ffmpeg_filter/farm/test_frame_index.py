"""The index of frames: what is written is what is read, and other frames have other sums."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.farm.frame_index import FrameIndex, Indexer, _small_luma, frame_checksum, parse, read
from ffmpeg_filter.media.av_frames import to_raw_frame
from tests.ffmpeg_filter.clips import video_frames
from vsadcvsr.errors import FarmError, FormatError
from vsadcvsr.scenes import luma_thumbnail

ROWS = st.lists(
    st.tuples(st.integers(-(10**12), 10**12), st.integers(0, 10**9), st.integers(0, 2**32 - 1)), max_size=50
)


@given(ROWS, st.fractions(Fraction(1, 10**6), 1), st.sets(st.integers(0, 49)))
def test_what_is_written_is_what_is_read(rows: list[tuple[int, int, int]], tick: Fraction, cuts: set[int]) -> None:
    times, durations, sums = ([row[at] for row in rows] for at in range(3))
    index = FrameIndex(tick, times, durations, sums, sorted(cut for cut in cuts if cut < len(rows)))
    assert parse(index.to_text()) == index


def test_another_text_is_no_index() -> None:
    with pytest.raises(ValueError, match="begins with"):
        parse("subtitles\n1 2 3\n")


def test_an_index_that_was_changed_is_not_used(tmp_path: Path) -> None:
    index = FrameIndex(Fraction(1, 25), [0, 1], [1, 1], [7, 8], [])
    path = tmp_path / "frames.txt"
    path.write_text(index.to_text())
    total = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read(path, total) == index
    path.write_text(index.to_text().replace("00000008", "00000009"))
    with pytest.raises(FarmError, match="is not the frame index of this job"):
        read(path, total)


def test_every_frame_is_in_the_index_at_its_time() -> None:
    frames, indexer = video_frames(4), Indexer(None)
    for frame in frames:
        indexer.add(frame)
    index = indexer.index()
    assert index.times == tuple(frame.pts for frame in frames)
    assert index.seconds[1] == Fraction(107, 1000)
    assert len(set(index.checksums)) == 4
    assert index.is_increasing


def test_a_sum_is_of_samples_and_of_colours() -> None:
    first, second = video_frames(1)[0], video_frames(1)[0]
    assert frame_checksum(first) == frame_checksum(second)
    second.colorspace = 9
    assert frame_checksum(first) != frame_checksum(second)


def test_the_first_frame_of_a_scene_is_a_cut() -> None:
    first, second = video_frames(2)
    for plane in second.planes:
        plane.update(bytes(plane.buffer_size))
    indexer = Indexer(None)
    for frame in (first, first, second, second):
        indexer.add(frame)
    assert indexer.index().cuts == [2]


def test_a_frame_without_a_time_is_refused() -> None:
    frame = video_frames(1)[0]
    frame.pts = None
    with pytest.raises(FormatError, match="frame 0 has no time"):
        Indexer(None).add(frame)


@pytest.mark.parametrize("kind", ["yuv420p", "yuv444p10le", "gray16le", "gbrp", "rgb24", "gbrpf32le"])
@pytest.mark.parametrize(("width", "height"), [(132, 75), (64, 36), (20, 9)])
def test_cuts_are_looked_for_in_the_pictures_that_the_engine_would_compare(kind: str, width: int, height: int) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    raw = to_raw_frame(frame := av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=kind))
    peak = 1 if raw.format.is_float else (1 << raw.format.bits) - 1
    planes = raw.planes if raw.format.family == "RGB" else raw.planes[:1] * 3
    whole = np.stack([plane.astype(np.float32) / np.float32(peak) for plane in planes])
    assert np.allclose(_small_luma(frame), luma_thumbnail(whole), atol=1e-5)
