"""Matroska that is written block by block comes out of FFmpeg's demuxer as it was meant."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ffmpeg_filter.media import matroska
from ffmpeg_filter.media.nut import VideoTrack, to_fraction

DEFAULT, DUB_OR_ORIGINAL = 0x1, 0x6
SECOND = 10**9
times = st.integers(0, 1 << 52)
durations = st.none() | st.integers(1, 10**12)
rates = st.builds(Fraction, st.integers(1, 30000), st.integers(1, 1001))
dispositions = (
    st.lists(st.sampled_from([DEFAULT, *matroska.DISPOSITIONS]), unique=True)
    .map(sum)
    .filter(lambda bits: bits & DUB_OR_ORIGINAL != DUB_OR_ORIGINAL)
)  # one flag says both


def written(video: VideoTrack, frames: list[tuple[int, int | None]]) -> io.BytesIO:
    """A file of frames with these times and durations in nanoseconds."""
    data, size = matroska.header(video), video.width * video.height
    for number, (time, duration) in enumerate(frames):
        lasts = None if duration is None else Fraction(duration, SECOND)
        head, tail = matroska.block(Fraction(time, SECOND), lasts, size)
        data += head + bytes([number]) * size + tail
    return io.BytesIO(data)


@given(st.lists(st.tuples(times, durations), min_size=1, max_size=9))
def test_times_and_durations_come_back_in_any_order(frames: list[tuple[int, int | None]]) -> None:
    video = VideoTrack(8, 4, b"Y800", Fraction(1, 25), Fraction(25))
    with av.open(written(video, frames), "r", format="matroska") as file:
        packets = [packet for packet in file.demux() if packet.size]
        ticks = [to_fraction(packet.time_base) or Fraction(0) for packet in packets]
        result = [(demuxed.pts, demuxed.duration, bytes(demuxed)) for demuxed in packets]
    assert ticks == [Fraction(1, SECOND)] * len(frames)
    assert result == [
        (time, SECOND // 25 if duration is None else duration, bytes([number]) * 32)
        for number, (time, duration) in enumerate(frames)
    ]


@given(st.integers(-(10**12), -1))
def test_times_before_zero_come_back_to_two_microseconds(nanoseconds: int) -> None:
    video = VideoTrack(8, 4, b"Y800", Fraction(1, 25), Fraction(25))
    with av.open(written(video, [(nanoseconds, None)]), "r", format="matroska") as file:
        [pts] = [packet.pts for packet in file.demux() if packet.size]
    assert pts is not None
    assert abs(pts - nanoseconds) <= 2048


@given(rates, dispositions)
def test_rates_and_dispositions_come_back(rate: Fraction, disposition: int) -> None:
    assume(matroska.can_state_rate(rate))
    with av.open(written(VideoTrack(8, 4, b"Y800", Fraction(1), rate, disposition), [(0, None)]), "r") as file:
        [stream] = file.streams.video
        assert (stream.width, stream.height, stream.pix_fmt) == (8, 4, "gray")
        assert to_fraction(stream.average_rate) == rate
        assert int(stream.disposition) == disposition


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "50", "60", "15/2", "1/3", "12", "120"])
def test_common_rates_can_be_stated(rate: str) -> None:
    assert matroska.can_state_rate(Fraction(rate))


@pytest.mark.parametrize("rate", ["1000", "1/1000", "1000000/33333", "90000/7001", "60000/1001"])
def test_rates_that_the_demuxer_rounds_cannot_be_stated(rate: str) -> None:
    assert not matroska.can_state_rate(Fraction(rate))


def test_large_frames_come_back() -> None:
    video = VideoTrack(1000, 700, b"Y800", Fraction(1), Fraction(25))
    with av.open(written(video, [(0, None), (5, 6)]), "r", format="matroska") as file:
        assert [(packet.pts, packet.size) for packet in file.demux() if packet.size] == [(0, 700_000), (5, 700_000)]
