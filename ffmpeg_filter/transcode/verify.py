"""Check of a written file against the frames that were passed on: FFmpeg's exit status is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from ffmpeg_filter.command import containers, urls
from ffmpeg_filter.media.nut import exact
from ffmpeg_filter.transcode import vsync
from ffmpeg_filter.transcode.pipeline import Outcome
from ffmpeg_filter.transcode.split import Plan

_LIMITS = {"t", "to", "ss", "frames", "shortest", "fs"}
_UNREADABLE = {
    "crc", "data", "dirac", "drc", "ffmetadata", "framecrc", "framehash", "framemd5", "hash", "md5", "rawvideo", "rgb",
    "rtp", "streamhash", "uncodedframecrc", "vc1test", "yuv",
}  # fmt: skip
"""Formats that FFmpeg cannot read again, or not without being given the size of a frame."""
_WITHOUT_TIMES = {
    "264", "265", "avs2", "avs3", "cavs", "h261", "h263", "h264", "h265", "h26l", "hevc", "image2pipe",
    "m1v", "m2v", "m4v", "mjpeg", "mjpg", "mpeg1video", "mpeg2video", "obu", "vc1", "vvc",
}  # fmt: skip
"""Formats of coded pictures one after the other, to which a reader gives times of its own."""
_MERGES_EQUAL = {"ogg", "ogv", "webp"}
"""Formats that may have one frame for equal pictures that follow each other: Theora's and WebP's encoders do that."""
_TOLERANCE = Fraction(1, 500)
"""Seconds by which a container may round a timestamp; Matroska's own tick is a thousandth. An encoder rounds to the
rate, and where a time lies between two steps that may be either.
"""


def findings(plan: Plan, outcome: Outcome, path: Path) -> Iterator[str]:
    """What is wrong with the output, which is at `path`: frames or timestamps that did not come through."""
    form, name = containers.form(plan.output), plan.output.path.name
    if form in _UNREADABLE or not plan.keeps_times or not path.is_file():
        return
    made, wanted = _times(path), _wanted(outcome)
    is_dropped = len(wanted) < len(outcome.times)
    if plan.fills_gaps and outcome.rate and (is_dropped or not vsync.is_steady(wanted, outcome.rate)):
        return
    limited = outcome.is_cut or form in _MERGES_EQUAL or any(one.name in _LIMITS for one in plan.output.options)
    if made is None:
        yield f"{name} cannot be opened again to be checked"
    elif len(made) > len(wanted) or (len(made) < len(wanted) and not limited):
        yield f"{len(wanted)} frames were passed on, {name} has {len(made)}"
    elif made and None not in outcome.times and form not in _WITHOUT_TIMES and not limited:
        shift = made[0] - wanted[0]
        worst = max(abs(after - before - shift) for after, before in zip(made, wanted, strict=True))
        if worst > _TOLERANCE + (1 / outcome.rate if outcome.rate else 0):
            yield f"timestamps in {name} are off by up to {float(worst) * 1000:.0f} ms"


def _wanted(outcome: Outcome) -> list[Fraction]:
    """When the frames should come, in order: FFmpeg rounds times to the rate, and drops frames that are too near."""
    times = [Fraction(0) if time is None else time for time in outcome.times]
    if outcome.rate is None:
        return sorted(times)
    found = vsync.encoded(times, outcome.rate, outcome.durations)
    return sorted(time for time in found if time is not None)


def _times(path: Path) -> list[Fraction] | None:
    """The presentation times of the largest video stream, in order; None where there is none to be read. Of streams of
    one size it is that of most frames: AVIF has the first picture in a stream of its own as well.
    """
    try:
        with av.open(urls.of_path(str(path))) as file:
            size = max(one.width * one.height for one in file.streams.video)
            streams = [one for one in file.streams.video if one.width * one.height == size]
            times: dict[int, list[Fraction]] = {one.index: [] for one in streams}
            for packet in file.demux(streams):
                if _is_frame(packet):
                    times[packet.stream_index].append(_shown_at(packet) * (exact(packet.time_base) or Fraction(1)))
            return max(map(sorted, times.values()), key=len)
    except (av.FFmpegError, OSError, ValueError):
        return None


def _is_frame(packet: av.Packet[av.stream.Stream]) -> bool:
    """Whether a packet is no mark of the end. Theora has empty ones for pictures that are equal to the one before."""
    return packet.size > 0 or packet.pts is not None


def _shown_at(packet: av.Packet[av.stream.Stream]) -> int:
    """When a packet is shown, in ticks; a first one without a time, as the demuxer of Ogg gives it, at 0."""
    return next((time for time in (packet.pts, packet.dts) if time is not None), 0)
