"""Stream specifiers: the streams of an input that `v:0`, `m:language:ger` and their like select. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ffmpeg_filter.command.argv import Option

if TYPE_CHECKING:
    from ffmpeg_filter.media.probe import InputStream

_KINDS = {"v": "video", "V": "video", "a": "audio", "s": "subtitle", "d": "data", "t": "attachment"}
_DISABLING = {"vn": "video", "an": "audio", "sn": "subtitle", "dn": "data"}
"""Input options that disable a kind of streams."""
_DISCARD_ALL = {"all", "48"}
"""Values of `-discard` that disable streams."""


def select(specifier: str, streams: Sequence[InputStream]) -> Sequence[InputStream] | None:
    """The streams that a specifier selects; None if it is not understood."""
    kind, _, rest = specifier.partition(":")
    if not specifier:
        return streams
    if specifier.isdecimal():
        return streams[int(specifier) : int(specifier) + 1]
    if kind in _KINDS:
        return select(
            rest, [stream for stream in streams if stream.kind == _KINDS[kind] and not _is_skipped_cover(kind, stream)]
        )
    if kind == "m":
        key, colon, tag_value = rest.partition(":")
        return [stream for stream in streams if key in stream.tags and (not colon or stream.tags[key] == tag_value)]
    return None


def _is_skipped_cover(kind: str, stream: InputStream) -> bool:
    return kind == "V" and stream.is_cover


def with_disabled(streams: Sequence[InputStream], options: Sequence[Option]) -> tuple[InputStream, ...]:
    """The streams of an input, with those marked that its options disable: `-an` and its like, `-discard all`."""
    kinds = {_DISABLING[option.name] for option in options if option.name in _DISABLING}
    disabled = {stream.index for stream in streams if stream.kind in kinds}
    discarded = {
        stream.index: option.value in _DISCARD_ALL
        for option in options
        if option.name == "discard"
        for stream in select(option.specifier, streams) or ()
    }
    return tuple(
        replace(stream, is_disabled=stream.index in disabled or discarded.get(stream.index, False))
        for stream in streams
    )
