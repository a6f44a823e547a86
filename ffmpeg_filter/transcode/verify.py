"""Verification of a written file against the frames passed on, since FFmpeg's exit status is not enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av

from ffmpeg_filter.command import containers, urls
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.probe import ATTACHED_PIC
from ffmpeg_filter.transcode import vsync
from ffmpeg_filter.transcode.pipeline import Outcome
from ffmpeg_filter.transcode.split import SplitCommand
from ffmpeg_filter.transcode.stream_map import VideoPlace

_LIMITS = {"t", "to", "ss", "frames", "shortest", "fs"}
_UNREADABLE = {
    "crc", "data", "dirac", "drc", "ffmetadata", "framecrc", "framehash", "framemd5", "hash", "md5", "rawvideo", "rgb",
    "rtp", "streamhash", "uncodedframecrc", "vc1test", "yuv",
}  # fmt: skip
"""Formats that FFmpeg cannot read, or not without the frame size."""
_WITHOUT_TIMES = {
    "264", "265", "avs2", "avs3", "cavs", "h261", "h263", "h264", "h265", "h26l", "hevc", "image2pipe",
    "m1v", "m2v", "m4v", "mjpeg", "mjpg", "mpeg1video", "mpeg2video", "obu", "vc1", "vvc",
}  # fmt: skip
"""Formats without timestamps."""
_MERGES_EQUAL = {"ogg", "ogv", "webp"}
"""Formats whose encoders may merge equal consecutive frames (Theora, WebP)."""
_DUPLICATED = Fraction(11, 10)
"""Duration of a frame, in those of the rate, from which FFmpeg duplicates it at a constant rate."""
_TOLERANCE = Fraction(1, 500)
"""Seconds by which a container may round timestamps; Matroska's unit is a millisecond."""


def find_faults(split: SplitCommand, outcome: Outcome, path: Path) -> Iterator[str]:
    """Messages about missing frames or wrong timestamps in the output at `path`."""
    muxer, name = containers.muxer_of(split.output), split.output.path.name
    if muxer in _UNREADABLE or not split.keeps_times or not path.is_file():
        return
    written, expected = _written_times(path, split.place), _expected_times(outcome)
    is_dropped = len(expected) < len(outcome.times)
    if split.fills_gaps and outcome.rate and (is_dropped or not _fills_time(expected, outcome)):
        return
    limits = [f"-{option.name}" for option in split.output.options if option.name in _LIMITS]
    is_last_alone = split.output.has("update")  # one picture, written over for each frame
    limited = outcome.was_quit or split.may_stop or muxer in _MERGES_EQUAL or is_last_alone or bool(limits)
    if written is None:
        verb = "leaves" if len(limits) == 1 else "leave"
        hint = f"; see whether {' and '.join(limits)} {verb} any frame for it" if limits else ""
        yield f"{name} cannot be opened to check it{hint}"
    elif len(written) > len(expected) and split.may_go_on:
        return
    elif len(written) > len(expected) or (len(written) < len(expected) and not limited):
        yield f"{len(expected)} frames were passed on, {name} has {len(written)}"
    elif written and None not in outcome.times and muxer not in _WITHOUT_TIMES and not limited:
        shift = written[0] - expected[0]
        worst = max(abs(after - before - shift) for after, before in zip(written, expected, strict=True))
        if worst > _TOLERANCE + (1 / outcome.rate if outcome.rate else 0):
            yield f"timestamps in {name} are off by up to {float(worst) * 1000:.0f} ms"


def _fills_time(expected: Sequence[Fraction], outcome: Outcome) -> bool:
    """Whether frames follow each other exactly, and none lasts so long that FFmpeg would duplicate it."""
    durations = [duration for duration in outcome.durations if duration is not None]
    longest = max(durations, default=Fraction(0)) * (outcome.rate or 0)
    return vsync.is_steady(expected, outcome.rate) and longest <= _DUPLICATED


def _expected_times(outcome: Outcome) -> list[Fraction]:
    """Expected presentation times, in order, after FFmpeg's rounding and dropping."""
    times = [Fraction(0) if time is None else time for time in outcome.times]
    if outcome.rate is None:
        return sorted(times)
    rounded = vsync.encoder_times(times, outcome.rate, outcome.durations)
    return sorted(time for time in rounded if time is not None)


def _written_times(path: Path, place: VideoPlace | None) -> list[Fraction] | None:
    """Presentation times of the upscaled video stream, in order; None if it cannot be read."""
    try:
        with av.open(urls.from_path(str(path))) as file:
            streams = _upscaled_streams(file.streams.video, place)
            times: dict[int, list[Fraction]] = {stream.index: [] for stream in streams}
            for packet in file.demux(streams):
                if _is_frame(packet):
                    times[packet.stream_index].append(
                        _shown_at(packet) * (to_fraction(packet.time_base) or Fraction(1))
                    )
            return max(map(sorted, times.values()), key=len)
    except (av.FFmpegError, OSError, ValueError):
        return None


def _upscaled_streams(videos: Sequence[av.VideoStream], place: VideoPlace | None) -> Sequence[av.VideoStream]:
    """The video stream at that place; else the largest, of which there may be several: AVIF has its first image in a
    separate stream, and the longest counts.
    """
    covers = [stream for stream in videos if int(stream.disposition) & ATTACHED_PIC]
    others = [stream for stream in videos if stream not in covers]
    if place is not None:
        kind = covers if place.is_cover else others
        of_place = kind[place.position_in_kind :] if covers else videos[place.position :]
        if of_place:
            return of_place[:1]
    size = max(stream.width * stream.height for stream in others or covers)
    return [stream for stream in others or covers if stream.width * stream.height == size]


def _is_frame(packet: av.Packet[av.stream.Stream]) -> bool:
    """Whether a packet is a frame. Theora has empty packets for repeated frames."""
    return packet.size > 0 or packet.pts is not None


def _shown_at(packet: av.Packet[av.stream.Stream]) -> int:
    """Presentation time in ticks; 0 for a first packet without timestamps, as in Ogg."""
    return next((time for time in (packet.pts, packet.dts) if time is not None), 0)
