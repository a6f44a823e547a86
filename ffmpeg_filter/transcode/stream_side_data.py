"""Side data that is stated for all frames, in the pipe's header or by options, taken from the first one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.matroska import PACKINGS, StreamSideData
from ffmpeg_filter.media.showinfo import PACKING, SPHERE, FrameInfo, Mastering, lost_side_data_warning
from ffmpeg_filter.transcode.companion import CompanionCodec

ROTATION_OPTION = (58, 2)
"""libavutil from which FFmpeg accepts an input's rotation as an option (FFmpeg 6)."""


def from_first_frame(frame_info: FrameInfo, companion: CompanionCodec | None) -> StreamSideData:
    """The side data that the header can state. A companion track may carry frame packing itself."""
    has_own = companion is not None and PACKING in companion.carries
    packing = frame_info.packing if frame_info.packing in PACKINGS and not has_own else None
    return StreamSideData(frame_info.mastering, frame_info.content_light, packing, frame_info.sphere)


def rotation_options(frame_info: FrameInfo, version: tuple[int, ...], *, rotates: bool) -> list[str]:
    """Input options by which the encoding FFmpeg, of that libavutil, states the display matrix; none if it cannot, or
    there is none, or `rotates`: FFmpeg has rotated the frames.
    """
    if rotates or frame_info.rotation is None or version < ROTATION_OPTION:
        return []
    return ["-noautorotate", "-display_rotation:v:0", f"{frame_info.rotation:g}"]


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
