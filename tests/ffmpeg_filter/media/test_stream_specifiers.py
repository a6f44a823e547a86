"""Streams by their specifiers, and those that the options of an input disable."""

from __future__ import annotations

import shlex

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.media.stream_specifiers import excludes_video, select, with_disabled

STREAMS = (
    InputStream(index=0, kind="video", is_cover=True),
    InputStream(index=1, kind="video", tags={"language": "ger", "title": "a: b"}, id=0x101, programs=frozenset({1, 2})),
    InputStream(index=2, kind="audio", tags={"language": "ger", "a:b": "c"}, disposition=0x41, programs=frozenset({1})),
    InputStream(index=3, kind="audio", tags={"language": "eng"}, disposition=0x40, programs=frozenset({2})),
    InputStream(index=4, kind="subtitle", groups=frozenset({(0, 257)})),
    InputStream(index=5, kind="data", groups=frozenset({(0, 257), (1, 4)})),
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
        (r"m:title:a\: b", [1]),
        (r"m:a\:b:c", [2]),
        (r"m:a\:b", [2]),
        ("m:a:b", []),
        ("i:0x101", [1]),
        ("#257", [1]),
        ("v:#0x101", [1]),
        ("0x3", [3]),
        ("p:2", [1, 3]),
        ("p:2:a", [3]),
        ("a:p:2", [3]),
        ("p:1:1", [2]),
        ("p:9", []),
        ("disp:forced", [2, 3]),
        ("a:disp:default+forced", [2]),
        ("disp:forced:1", [3]),
        ("x", None),
        ("v:x", None),
        ("g:0", [4, 5]),
        ("g:0:d", [5]),
        ("g:0:v", []),
        ("g:1", [5]),
        ("g:#257:s", [4]),
        ("g:i:0x101", [4, 5]),
        ("d:g:1", [5]),
        ("g:4", []),
        ("g:x", None),
        ("g:#", None),
        ("u", None),
        ("p:x", None),
        ("disp:bold", None),
        ("1:v", None),
        ("i:0x101:v", None),
        (":", None),
    ],
)
def test_streams_are_selected_as_ffmpeg_does(specifier: str, indices: list[int] | None) -> None:
    assert selected(specifier) == indices


def test_kinds_other_than_video_are_recognised_also_after_what_is_not_understood() -> None:
    assert all(excludes_video(specifier) for specifier in ("a", "s:1", "p:2:a", "g:0:d", "g:#1:t", "g:i:1:s", "u:a"))
    assert not any(excludes_video(specifier) for specifier in ("", "1", "v:x", "p:2", "g:0:v", "x:a", "m:a", "#1"))


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
