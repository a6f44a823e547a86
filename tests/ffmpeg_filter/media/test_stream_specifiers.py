"""Streams by their specifiers, and those that the options of an input disable."""

from __future__ import annotations

import shlex

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.media.stream_specifiers import select, with_disabled

STREAMS = (
    InputStream(index=0, kind="video", is_cover=True),
    InputStream(index=1, kind="video", tags={"language": "ger", "title": "a: b"}),
    InputStream(index=2, kind="audio", tags={"language": "ger"}),
    InputStream(index=3, kind="audio", tags={"language": "eng"}),
    InputStream(index=4, kind="subtitle"),
    InputStream(index=5, kind="data"),
)


def selected(specifier: str) -> list[int] | None:
    streams = select(specifier, STREAMS)
    return None if streams is None else [stream.index for stream in streams]


@pytest.mark.parametrize(
    ("specifier", "indices"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("3", [3]),
        ("9", []),
        ("v", [0, 1]),
        ("V", [1]),
        ("a:1", [3]),
        ("m:language", [1, 2, 3]),
        ("m:language:ger", [1, 2]),
        ("a:m:language:ger", [2]),
        ("m:title:a: b", [1]),
        ("x", None),
        ("v:x", None),
    ],
)
def test_streams_are_selected_as_ffmpeg_does(specifier: str, indices: list[int] | None) -> None:
    assert selected(specifier) == indices


@pytest.mark.parametrize(
    ("options", "indices"),
    [
        ("-an", [2, 3]),
        ("-vn -sn", [0, 1, 4]),
        ("-dn", [5]),
        ("-discard:a:1 all", [3]),
        ("-discard 48 -discard:v none", [2, 3, 4, 5]),
        ("-discard:v nokey", []),
        ("-discard:x all", []),
        ("-an -discard:a none", [2, 3]),
    ],
)
def test_streams_are_disabled_by_options_of_the_input(options: str, indices: list[int]) -> None:
    streams = with_disabled(STREAMS, parse([*shlex.split(options), "-i", "in.mkv"]).inputs[0].options)
    assert [stream.index for stream in streams if stream.is_disabled] == indices
    assert all(not stream.is_disabled for kind in ("video", "audio") for stream in InputInfo(streams).of_kind(kind))
