"""Side data that the pipe's header states for all frames, taken from the first one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.matroska import PACKINGS, StreamSideData
from ffmpeg_filter.media.showinfo import PACKING, SPHERE, FrameInfo, Mastering, lost_side_data_warning
from ffmpeg_filter.transcode.companion import CompanionCodec


def from_first_frame(frame_info: FrameInfo, companion: CompanionCodec | None) -> StreamSideData:
    """The side data that the header can state. A companion track may carry frame packing itself."""
    has_own = companion is not None and PACKING in companion.carries
    packing = frame_info.packing if frame_info.packing in PACKINGS and not has_own else None
    return StreamSideData(frame_info.mastering, frame_info.content_light, packing, frame_info.sphere)


def from_json(values: Sequence[Any]) -> StreamSideData:
    """The same from JSON, where tuples are lists and Mastering is an object."""
    mastering, light, packing, sphere = values
    display = Mastering(**mastering) if isinstance(mastering, dict) else mastering
    return StreamSideData(display, light and tuple(light), packing, sphere and tuple(sphere))


def warned_kinds(side_data: StreamSideData) -> frozenset[str]:
    """Kinds to warn of if they are lost."""
    return frozenset({*([PACKING] if side_data.packing else []), *([SPHERE] if side_data.sphere else [])})


def lost_warnings(
    side_data: StreamSideData, frame_info: FrameInfo, codec: str, *, is_stated: bool, reaches_encoder: bool
) -> list[str]:
    """Warnings about side data that does not reach the encoder `codec`.

    `is_stated` tells whether the pipe has such a header, `reaches_encoder` whether FFmpeg passes it on, which it does
    not through a complex graph before FFmpeg 7.
    """
    warnings = [lost_side_data_warning(warned_kinds(side_data))] if warned_kinds(side_data) and not is_stated else []
    if not (is_stated and reaches_encoder) and (message := color_tags.lost_grading(frame_info, codec)):
        warnings.append(message)
    return warnings
