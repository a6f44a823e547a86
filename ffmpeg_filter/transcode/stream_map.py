"""Stream selection: `-map` options, or FFmpeg's defaults, translated for the encode command.

There, input 0 is the pipe with upscaled frames, followed by the user's inputs. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ffmpeg_filter.command import containers
from ffmpeg_filter.command.argv import File, Option
from ffmpeg_filter.command.filtergraph import Graph
from ffmpeg_filter.media import stream_specifiers
from ffmpeg_filter.media.probe import STREAM_RANKS, InputInfo, InputStream
from vsadcvsr.errors import UsageError

UPSCALED_STREAM = "0:v:0"
"""Map of the upscaled stream in the encode command."""
_MAP = re.compile(r"(-?)(\d+)(?::(.*?))?(\??)$")
_FIRST_VIDEO = {"v", "V", "0", "v:0", "V:0", ""}
"""Specifiers that may mean the video stream of an input without facts."""

type StreamRef = tuple[int, InputStream | None]
"""Input number and stream; None for the video stream of an input without facts."""


def check_number(number: int, count: int, option: str) -> None:
    """Raises UsageError if `option` refers to an input that is not one of `count`."""
    if number >= count:
        inputs = f"the inputs are 0 to {count - 1}" if count > 1 else "the only input is 0"
        raise UsageError(f"{option} refers to input {number}, but {inputs}; change the number, or add an input with -i")


@dataclass(frozen=True)
class InputMap:
    """Input numbers of the encode command."""

    indices: tuple[int | None, ...]
    """For each input of the user, its number in the encode command; None if it is not opened again."""

    def index_of(self, number: int, option: str) -> int:
        """The number of an input. Raises UsageError if it cannot be read twice."""
        check_number(number, len(self.indices), option)
        index = self.indices[number]
        if index is None:
            raise UsageError(
                f"{option} needs input {number} again, but a pipe cannot be read twice; leave its other streams out "
                "(-an, or -map 0:v), or save it to a file first"
            )
        return index


class VideoPlace(NamedTuple):
    """Where one of several video streams is in an output. Some containers put covers last, others make them videos."""

    position: int
    """Position among all of them."""
    is_cover: bool
    position_in_kind: int
    """Position among covers if it is one, else among the others."""


@dataclass(frozen=True)
class MainStream:
    """The stream that is upscaled."""

    input_number: int
    stream: InputStream | None
    """None if its input could not be probed."""
    position: int = 0
    """Position among the output's video streams."""
    repeats: int = 0
    """How often it is mapped unchanged before."""
    index: int | None = 0
    """Number of the output's stream; None if that is not known."""
    place: VideoPlace | None = None
    """See `SplitCommand`."""

    @property
    def specifier(self) -> str:
        """Its map in the decode command, where its input is the only one."""
        return f"0:{self.stream.index}" if self.stream else "0:v:0"


def main_stream_of(option: Option, output: File, inputs: Sequence[InputInfo]) -> MainStream:
    """The stream that a filter option applies to. Raises UsageError if that is not exactly one."""
    if any(option.name == "vn" for option in output.options):
        raise UsageError("-vn leaves out the video that adcvsr upscales; remove -vn")
    maps = [option.value or "" for option in output.options if option.name == "map"]
    mapped = _mapped_streams(maps, inputs) if maps else _best_video(inputs)
    numbered = [(index, ref) for index, ref in enumerate(mapped) if ref[1] is None or ref[1].kind == "video"]
    videos = [ref for _, ref in numbered]
    if not videos:
        for value in maps:
            _check_understood(value, inputs)
        source = f"-map {' '.join(maps)}" if maps else "inputs without video"
        if any(stream.is_disabled and stream.kind == "video" for info in inputs for stream in info.streams):
            raise UsageError(f"adcvsr gets no video stream from {source}: -vn or -discard disables it; remove that")
        raise UsageError(f"adcvsr gets no video stream from {source}; map one, such as 0:v:0")
    is_known = not maps or (all(map(_MAP.match, maps)) and all(info.streams for info in inputs))
    position = _position(option, numbered if is_known else [(-1, ref) for ref in videos])
    index, (number, stream) = numbered[position]
    repeats = sum(video == videos[position] for video in videos[:position])
    place = _place(videos, position) if is_known else None
    return MainStream(number, stream, position, repeats, index if is_known else None, place)


def _place(videos: Sequence[StreamRef], position: int) -> VideoPlace | None:
    """The place of the video stream at that position; None if it is the only one."""
    are_covers = [stream is not None and stream.is_cover for _, stream in videos]
    is_cover = are_covers[position]
    return VideoPlace(position, is_cover, are_covers[:position].count(is_cover)) if len(videos) > 1 else None


def place_of_graph(graph: Graph, output: File, inputs: Sequence[InputInfo]) -> VideoPlace | None:
    """The place of the graph's output that `-map` names; None if it names several, or other graphs', or no other video
    stream.
    """
    outputs = {f"[{label}]" for _, _, node in graph.nodes() for label in node.outputs}
    videos: list[StreamRef] = []
    position: int | None = None
    for value in [option.value or "" for option in output.options if option.name == "map"]:
        if value in outputs and position is None:
            position = len(videos)
            videos.append((-1, None))
        elif _MAP.match(value) and not value.startswith("-"):
            videos += [ref for ref in matching_streams(value, inputs) if ref[1] is None or ref[1].kind == "video"]
        else:
            return None
    return None if position is None else _place(videos, position)


def applies_to(option: Option, main_stream: MainStream) -> bool:
    """Whether an output option applies to the main stream."""
    kind, _, position = option.specifier.partition(":")
    if kind.isdecimal():
        return int(kind) == main_stream.index
    return kind in {"", "v", "V"} and position in {"", str(main_stream.position)}


def _position(option: Option, numbered: Sequence[tuple[int, StreamRef]]) -> int:
    """Position of the filtered stream among the output's video streams, given with their numbers among all streams;
    cover images are skipped.
    """
    videos = [ref for _, ref in numbered]
    for position, (index, _) in enumerate(numbered):
        if option.specifier == str(index):
            return position
    requested = option.specifier.partition(":")[2]
    if requested.isdecimal():
        if int(requested) >= len(videos):
            raise UsageError(
                f"{option.token} refers to video stream {requested}, but the output has 0 to {len(videos) - 1}"
            )
        return int(requested)
    candidates = [position for position, (_, stream) in enumerate(videos) if not stream or not stream.is_cover] or [0]
    if len(candidates) > 1:
        raise UsageError(
            f"{option.token} applies to {len(candidates)} video streams; name one: -filter:v:{candidates[0]}"
        )
    return candidates[0]


def _best_video(inputs: Sequence[InputInfo]) -> list[StreamRef]:
    if best := _best_stream(inputs, "video"):
        return [best]
    unknown: list[StreamRef] = [(number, None) for number, info in enumerate(inputs) if not info.streams]
    return unknown[:1]


def _mapped_streams(maps: Sequence[str], inputs: Sequence[InputInfo]) -> list[StreamRef]:
    """Streams of an output, in order."""
    for value in maps:
        if match := _MAP.match(value):
            check_number(int(match[2]), len(inputs), f"-map {value}")
    selected = selected_streams(maps, lambda value: matching_streams(value, inputs))
    return [ref for _, streams in selected for ref in streams]


def selected_streams(
    maps: Sequence[str], streams_of: Callable[[str], Sequence[StreamRef]]
) -> list[tuple[str, list[StreamRef]]]:
    """Each `-map` value that is not negative, with the streams that no negative one after it takes out."""
    selected: list[tuple[str, list[StreamRef]]] = []
    for value in maps:
        streams = streams_of(value)
        if value.startswith("-"):
            selected = [(other, [ref for ref in refs if ref not in streams]) for other, refs in selected]
        else:
            selected.append((value, [*streams]))
    return selected


def _check_understood(value: str, inputs: Sequence[InputInfo]) -> None:
    """Raises UsageError if a `-map` value may select video of a probed input but is not understood."""
    match = _MAP.match(value)
    streams = inputs[int(match[2])].streams if match and int(match[2]) < len(inputs) else ()
    specifier = (match and match[3]) or ""
    if not streams or stream_specifiers.excludes_video(specifier):
        return
    if stream_specifiers.select(specifier, streams) is None:
        raise UsageError(
            f"-map {value} is not understood; name streams by number, kind, id, program, group, disposition or "
            "metadata: 0:1, 0:v:0, 0:i:0x101, 0:p:2:v, 0:g:0, 0:v:disp:default, 0:m:language:eng"
        )


class MapTranslator:
    """Translates the `-map` values of one output, in order."""

    def __init__(self, main_stream: MainStream | None, inputs: Sequence[InputInfo], input_map: InputMap) -> None:
        self._main_stream, self._inputs, self._input_map = main_stream, inputs, input_map
        self._repeats = main_stream.repeats if main_stream else 0

    def translate(self, value: str) -> list[str]:
        """The translated values; labels stay."""
        match = _MAP.match(value)
        if not match:
            return [value]
        minus, number, specifier, doubt = match.groups()
        main_stream = self._main_stream
        streams = matching_streams(value, self._inputs)
        if main_stream and main_stream.input_number == int(number):
            _check_understood(value, self._inputs)
        if not main_stream or (main_stream.input_number, main_stream.stream) not in streams:
            colon = "" if specifier is None else f":{specifier}"
            return [f"{minus}{self._input_map.index_of(int(number), '-map')}{colon}{doubt}"]
        if minus:
            raise UsageError(f"-map {value} removes the stream of adcvsr; leave it out")
        if main_stream.stream is None:
            return self._maps_of_unknown(int(number), specifier or "")
        return [self._map_of(number, stream) for number, stream in streams]

    def _maps_of_unknown(self, number: int, specifier: str) -> list[str]:
        if specifier:
            return [UPSCALED_STREAM]
        at = self._input_map.index_of(number, "-map")
        return [UPSCALED_STREAM, str(at), f"-{at}:v:0"]

    def _map_of(self, number: int, stream: InputStream | None) -> str:
        assert stream is not None, "its input has been looked into"
        assert self._main_stream is not None
        if stream == self._main_stream.stream:
            self._repeats -= 1
            if self._repeats == -1:
                return UPSCALED_STREAM
        return f"{self._input_map.index_of(number, '-map')}:{stream.index}"


def default_maps(
    output: File, main_stream: MainStream | None, inputs: Sequence[InputInfo], input_map: InputMap
) -> Iterator[str]:
    """FFmpeg's default maps: one video, one audio, and one supported subtitle stream."""
    off = {option.name for option in output.options}
    if main_stream:
        yield UPSCALED_STREAM
    elif "vn" not in off and containers.takes_by_default(output, "video"):
        yield from _default_map("video", inputs, input_map)
    if "an" not in off and containers.takes_by_default(output, "audio"):
        yield from _default_map("audio", inputs, input_map)
    if "sn" not in off and (subtitle := _subtitle(output, inputs)):
        yield f"{input_map.index_of(subtitle[0], 'subtitles')}:{subtitle[1].index}"


def check_pipes(output: File, inputs: Sequence[InputInfo], input_map: InputMap) -> None:
    """Raises UsageError if FFmpeg would map audio of a pipe by default, which would be lost silently."""
    if containers.takes_by_default(output, "audio") and not any(option.name == "an" for option in output.options):
        list(_default_map("audio", inputs, input_map))


def _default_map(kind: str, inputs: Sequence[InputInfo], input_map: InputMap) -> Iterator[str]:
    for number, info in enumerate(inputs):
        if not info.streams:
            index = input_map.index_of(number, kind)
            if not _best_stream(inputs, kind):
                yield f"{index}:{kind[0]}:0?"
                return
    if best := _best_stream(inputs, kind):
        yield f"{input_map.index_of(best[0], kind)}:{best[1].index}"


def _best_stream(inputs: Sequence[InputInfo], kind: str) -> tuple[int, InputStream] | None:
    """The stream that FFmpeg takes: the best of the best of each input, among which a default one has no advantage."""
    rank = STREAM_RANKS[kind]
    best = [
        (number, max(streams, key=lambda stream: (rank(stream), -stream.index)))
        for number, info in enumerate(inputs)
        if (streams := info.of_kind(kind))
    ]
    return max(best, key=lambda item: (rank(replace(item[1], is_default=False)), -item[0]), default=None)


def _subtitle(output: File, inputs: Sequence[InputInfo]) -> tuple[int, InputStream] | None:
    for number, info in enumerate(inputs):
        for stream in info.of_kind("subtitle"):
            if containers.takes_subtitles(output, bitmaps=stream.is_bitmap):
                return number, stream
    return None


def matching_streams(value: str, inputs: Sequence[InputInfo]) -> list[StreamRef]:
    """The streams that a `-map` value selects, as far as known, without disabled ones."""
    match = _MAP.match(value)
    if not match or int(match[2]) >= len(inputs):
        return []
    number, specifier = int(match[2]), match[3] or ""
    if not inputs[number].streams:
        return [(number, None)] if specifier in _FIRST_VIDEO else []
    selected = stream_specifiers.select(specifier, inputs[number].streams) or ()
    return [(number, stream) for stream in selected if not stream.is_disabled]
