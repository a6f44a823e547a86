"""Side data that the header of the pipe states of all frames, as the first one has them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.matroska import PACKINGS, StreamSideData
from ffmpeg_filter.media.showinfo import PACKING, SPHERE, FrameInfo, Mastering, lost_side_data_warning
from ffmpeg_filter.transcode.companion import Codec


def of(shown: FrameInfo, companion: Codec | None) -> StreamSideData:
    """What can be stated, given the first frame. Frames of a companion may have a packing of their own."""
    has_own = companion is not None and PACKING in companion.carries
    packing = shown.packing if shown.packing in PACKINGS and not has_own else None
    return StreamSideData(shown.mastering, shown.content_light, packing, shown.sphere)


def read(plain: Sequence[Any]) -> StreamSideData:
    """The same from what JSON makes of it, which has lists for tuples and a mapping for the display."""
    mastering, light, packing, sphere = plain
    display = Mastering(**mastering) if isinstance(mastering, dict) else mastering
    return StreamSideData(display, light and tuple(light), packing, sphere and tuple(sphere))


def kinds(said: StreamSideData) -> frozenset[str]:
    """The kinds among it that are warned of where they are lost, by their names."""
    return frozenset({*([PACKING] if said.packing else []), *([SPHERE] if said.sphere else [])})


def lost(said: StreamSideData, shown: FrameInfo, codec: str, *, is_stated: bool, is_taken: bool) -> list[str]:
    """Warnings of what does not come to the encoder `codec`: `is_stated` says whether the pipe has such a header, and
    `is_taken` whether what it says reaches an encoder, which before FFmpeg 7 it does not through a complex graph.
    """
    warnings = [lost_side_data_warning(kinds(said))] if kinds(said) and not is_stated else []
    if not (is_stated and is_taken) and (words := color_tags.lost_grading(shown, codec)):
        warnings.append(words)
    return warnings
