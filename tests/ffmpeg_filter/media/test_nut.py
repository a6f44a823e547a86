"""NUT that is written packet by packet comes out of FFmpeg's demuxer as it was meant."""

from __future__ import annotations

import io
from fractions import Fraction

import av
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.media import nut
from ffmpeg_filter.media.nut import VideoTrack, to_fraction

ratios = st.builds(Fraction, st.integers(1, 100_000), st.integers(1, 100_000))
rates = st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(60000, 1001), Fraction(1, 3), Fraction(7, 2)])
dispositions = st.lists(st.sampled_from(list(nut.DISPOSITIONS)), unique=True).map(sum)


def pixels(number: int) -> bytes:
    return bytes([number]) * 8 * 4


@given(
    st.lists(st.integers(0, 1 << 40), min_size=1, max_size=9),
    st.builds(VideoTrack, st.just(8), st.just(4), st.just(b"Y800"), ratios, rates, dispositions),
)
def test_times_ticks_rates_and_dispositions_come_back(times: list[int], video: VideoTrack) -> None:
    data = nut.header(video) + b"".join(
        nut.frame_header(time, 32) + pixels(number) for number, time in enumerate(times)
    )  # fmt: skip
    with av.open(io.BytesIO(data), "r", format="nut") as file:
        [stream] = file.streams.video
        result = [(packet.pts, bytes(packet)) for packet in file.demux(stream) if packet.size]
        assert (stream.width, stream.height, stream.pix_fmt) == (8, 4, "gray")
        assert to_fraction(stream.time_base) == video.time_base
        assert to_fraction(stream.base_rate) == video.rate
        assert int(stream.disposition) == video.disposition
    assert result == [(time, pixels(number)) for number, time in enumerate(times)]


def test_sizes_and_times_of_many_bits_come_back() -> None:
    video = VideoTrack(1000, 700, b"Y800", Fraction(1, 90000), Fraction(25))
    data = nut.header(video) + nut.frame_header((1 << 40) + 1, 700_000) + bytes(700_000)
    with av.open(io.BytesIO(data), "r", format="nut") as file:
        assert [(packet.pts, packet.size) for packet in file.demux() if packet.size] == [((1 << 40) + 1, 700_000)]
