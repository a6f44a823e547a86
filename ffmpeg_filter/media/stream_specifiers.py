"""Stream specifiers: the streams of an input that `v:0`, `m:language:ger` and their like select. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from av.stream import Disposition

from ffmpeg_filter.command.argv import Option

if TYPE_CHECKING:
    from ffmpeg_filter.media.probe import InputStream

_KINDS = {"v": "video", "V": "video", "a": "audio", "s": "subtitle", "d": "data", "t": "attachment"}
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0|[1-9]\d*")
_TAG = re.compile(r"((?:\\.|[^:])*+)(:?)(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")
_DISABLING = {"vn": "video", "an": "audio", "sn": "subtitle", "dn": "data"}
"""Input options that disable a kind of streams."""
_DISCARD_ALL = {"all", "48"}
"""Values of `-discard` that disable streams."""


def select(specifier: str, streams: Sequence[InputStream]) -> Sequence[InputStream] | None:
    """The streams that a specifier selects; None if it is not understood."""
    head, _, rest = specifier.partition(":")
    if not specifier:
        return streams
    if head in _KINDS:
        of_kind = [stream for stream in streams if stream.kind == _KINDS[head]]
        return select(rest, [stream for stream in of_kind if not (head == "V" and stream.is_cover)])
    if head == "m":
        return _with_tag(rest, streams)
    if head in _SUBSETS:
        value, _, rest = (f"#{rest[2:]}" if head == "g" and rest.startswith("i:") else rest).partition(":")
        subset = _SUBSETS[head](value, streams)
        return None if subset is None else select(rest, subset)
    number = _number(rest if head == "i" else head.removeprefix("#"))
    if number is None or (rest and head != "i"):
        return None
    return [stream for stream in streams if stream.id == number] if head[0] in "#i" else streams[number : number + 1]


def _number(text: str) -> int | None:
    """A number as C reads it: decimal, or hexadecimal after `0x`."""
    return int(text, 0) if _NUMBER.fullmatch(text) else None


def _with_tag(text: str, streams: Sequence[InputStream]) -> list[InputStream]:
    """The streams with a tag, written `key` or `key:value`; a colon in the key has a backslash before it."""
    key, colon, value = (_ESCAPED.sub(r"\1", part) for part in _TAG.findall(text)[0])
    return [stream for stream in streams if key in stream.tags and (not colon or stream.tags[key] == value)]


def _in_program(text: str, streams: Sequence[InputStream]) -> list[InputStream] | None:
    number = _number(text)
    return None if number is None else [stream for stream in streams if number in stream.programs]


def _in_group(text: str, streams: Sequence[InputStream]) -> list[InputStream] | None:
    """The streams of a group, written as its position, or as `#` and its id."""
    number, is_id = _number(text.removeprefix("#")), text.startswith("#")
    return None if number is None else [stream for stream in streams if number in {of[is_id] for of in stream.groups}]


def _with_disposition(text: str, streams: Sequence[InputStream]) -> list[InputStream] | None:
    """The streams with all dispositions of a list such as `default+forced`."""
    names = text.split("+")
    if not set(names) <= set(Disposition.__members__):
        return None
    return [stream for stream in streams if all(stream.disposition & Disposition[name].value for name in names)]


_SUBSETS = {"p": _in_program, "disp": _with_disposition, "g": _in_group}
"""Specifiers that have a value, behind which another may follow."""


def excludes_video(specifier: str) -> bool:
    """Whether a specifier, even if it is not understood, names a kind of streams other than video."""
    head, _, rest = specifier.partition(":")
    if head in {"p", "disp", "g"}:
        rest = rest.removeprefix("i:").partition(":")[2]
    return head in _KINDS.keys() - {"v", "V"} or (head in {"p", "disp", "g", "u"} and excludes_video(rest))


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
