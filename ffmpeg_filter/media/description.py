"""Programs and stream groups of an input, from FFmpeg's own description of it, since PyAV has neither."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from av import logging
from av.container import InputContainer

_PROGRAM = re.compile(r"\s*(?:Program (-?\d+)|No Program)\b")
_STREAM = re.compile(r"\s*Stream #0:(\d+)")
_GROUP = re.compile(r"\s*Stream group #0:\d+\[(0x[0-9a-fA-F]+)\]")
_ELEMENT = re.compile(r"\s*IAMF Audio Element #0:(\d+)\[")
"""A group whose streams belong to the current group, too."""
_MEMBER_INDENT = "    "
"""What a stream of a group is indented by; those of no group follow all groups, indented less."""


@dataclass(frozen=True)
class StreamGroup:
    """A group of streams, such as the tiles of a picture, or the substreams of one sound."""

    id: int
    """Number by which the container knows it."""
    streams: frozenset[int]
    """Indices of its streams."""


def describe(container: InputContainer) -> list[str]:
    """The lines of FFmpeg's description, which has the members of groups at its level "verbose"."""
    level = logging.get_level()
    logging.set_level(logging.VERBOSE)
    try:
        return container.dumps_format().splitlines()
    finally:
        logging.set_level(level)


def programs(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Pairs of the number of a program and the index of a stream in it."""
    program: int | None = None
    for line in lines:
        if match := _PROGRAM.match(line):
            program = int(match[1]) if match[1] else None
        elif (match := _STREAM.match(line)) and program is not None:
            yield program, int(match[1])


def groups(lines: Iterable[str]) -> list[StreamGroup]:
    """All groups, in order."""
    result: list[tuple[int, set[int]]] = []
    for line in lines:
        if match := _GROUP.match(line):
            result.append((int(match[1], 16), set()))
        elif result and line.startswith(_MEMBER_INDENT) and (match := _STREAM.match(line)):
            result[-1][1].add(int(match[1]))
        elif result and (match := _ELEMENT.match(line)) and int(match[1]) < len(result):
            result[-1][1].update(result[int(match[1])][1])
    return [StreamGroup(number, frozenset(streams)) for number, streams in result]
