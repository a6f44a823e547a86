"""Rates and durations that FFmpeg reads of the pipe."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.transcode import frame_writer
from ffmpeg_filter.transcode.frame_writer import StreamInfo


def test_a_rate_that_no_container_states_is_that_of_the_ticks(tmp_path: Path) -> None:
    info = StreamInfo(time_base=Fraction(1, 16000), rate=Fraction(2000))
    frame = av.VideoFrame(16, 16, "gray")
    frame.time_base = info.time_base
    with (tmp_path / "pipe.nut").open("wb") as file:
        writer = frame_writer.FrameWriter(file.fileno(), frame, info)
        for frame.pts in (0, 8, 20):
            writer.write(frame)
    with av.open(str(tmp_path / "pipe.nut")) as source:
        assert to_fraction(source.streams.video[0].base_rate) == 2000
        assert [packet.pts for packet in source.demux() if packet.size] == [0, 1, 3]


def test_durations_that_a_filter_has_taken_away_are_taken_away_again() -> None:
    without = StreamInfo(time_base=Fraction(1, 1000), stream_rate=Fraction(10), has_durations=False)
    assert "setpts=PTS" in frame_writer.restoring_filters("yuv420p", without, (59, 8))
    assert "interleave=1" not in frame_writer.restoring_filters("yuv420p", without, (59, 8)), "it hides the end"
    assert without.encoder_rate == 1000
    with_durations = StreamInfo(time_base=Fraction(1, 1000), stream_rate=Fraction(10))
    assert "setpts=PTS" not in frame_writer.restoring_filters("yuv420p", with_durations, (59, 8))
    assert with_durations.encoder_rate == 10
