"""The command that goes on from `adcvsr`: its input 0 is our pictures, and the user's inputs come after it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ffmpeg_filter.command import containers, filtergraph, output_files, timestamps, urls
from ffmpeg_filter.command.argv import OURS, Command, File, Option
from ffmpeg_filter.command.filtergraph import Cut, Node
from ffmpeg_filter.media.probe import Input, is_pipe
from ffmpeg_filter.transcode import companion, stream_map

_NOT_AGAIN = {"v4l2", "x11grab", "gdigrab", "avfoundation", "dshow", "kmsgrab"}
_SESSIONS = {"rtp", "rtsp", "rtsps", "sap", "srtp"}
"""Protocols of live sources, each session of which begins at a time of its own."""
_SAME_TIMES = {
    "adcvsr", "ass", "colorspace", "crop", "deband", "drawbox", "drawtext", "eq", "format", "gradfun", "hflip",
    "hqdn3d", "hwupload", "libplacebo", "lut", "lut3d", "noise", "null", "overlay", "pad", "scale", "setdar",
    "setparams", "setsar", "showinfo", "split", "subtitles", "tonemap", "transpose", "unsharp", "vflip", "zscale",
}  # fmt: skip
_RETIMED = {"r", "fpsmax", "fps_mode", "vsync", "enc_time_base", "force_fps"}
_JOINED = {"x265-params", "x264-params", "svtav1-params"}
"""Options that are lists with colons, in which what comes last wins."""


_DEMUXERS = {"-1", "demux"}
"""Values of `-enc_time_base` for the time base of the source, which the pipe has not."""
_LIMITS = {"t", "to", "frames"}
_NUMBERED = {"map_metadata", "map_chapters", "map_channel"}
"""Options whose value begins with the number of an input."""


@dataclass(frozen=True)
class Start:
    """What the first frame tells: filters and options for the encoder, the input options with which it reads our
    pictures, their origin on the pipe, and the first one's time (both in seconds).
    """

    filters: Sequence[str] = ()
    options: Sequence[str] = ()
    reading: Sequence[str] = ("-c:v", "rawvideo", "-f", "matroska")
    origin: int = 0
    begin: Fraction | None = None
    companion: tuple[Node, ...] = ()
    """Filters for our second stream, if there is one: a companion of the pictures."""


class Second:
    """The second command. Raises UsageError when made."""

    def __init__(
        self, command: Command, inputs: Sequence[Input], option: Option, output: File, cut: Cut,
        ours: stream_map.Ours | None, codec: str,
    ) -> None:  # fmt: skip
        self.command, self.inputs, self.option, self.output = command, inputs, option, output
        self.cut, self.ours = cut, ours
        again = [_again(file) for file in command.inputs]
        count = iter(range(1, len(again) + 1))
        self.numbers = stream_map.Numbers(tuple(next(count) if one else None for one in again))
        self.is_steady = {node.name for _, _, node in cut.after.nodes()} <= _SAME_TIMES
        retimed = any(one.name in _RETIMED for one in (*output.options, *command.globals()))
        self.keeps_times = self.is_steady and not retimed and not containers.has_fixed_rate(output, codec)
        self.words(Start())  # so that what cannot be is refused at once

    def words(self, start: Start) -> list[str]:
        words = [*self._opening(), *self._offset(start), "-seek_timestamp", "1", *start.reading, "-i", "pipe:0"]
        for number, file in enumerate(self.command.inputs):
            if self.numbers.at[number] is not None:
                words += replace(file, options=self._kept(file.options)).words()
            else:
                words += [word for one in self._kept(Command((file,)).globals()) for word in one.words()]
        if self.option.name == "filter_complex" or start.companion:
            words += ["-filter_complex", str(self._graph(start))]
        for file in self.command.outputs:
            words += self._file(file, start).words()
        words += self.read_beside(first=False)
        return words + [word for one in self._kept(self.command.rest) for word in one.words()]

    def _offset(self, start: Start) -> list[str]:
        """What takes the origin off our pictures' times, so that the second command has those of the first."""
        is_from_zero = self.command.has("copyts") and self.command.has("start_at_zero")
        offset = start.begin if is_from_zero and start.begin else Fraction(-start.origin)
        return ["-itsoffset", timestamps.text(offset)] if offset else []

    def read_beside(self, *, first: bool) -> list[str]:
        """An output to nowhere, with what the other command reads of an input that both read: FFmpeg seeks by what is
        read, and begins the clocks of some formats with it. `first` is for the command that decodes.
        """
        words: list[str] = []
        for number, (one, at) in enumerate(zip(self.inputs, self.numbers.at, strict=True)):
            file = self.command.inputs[number]
            if at is None or not (one.may_jump or (file.has("ss") and not first)) or _may_be_endless(file):
                continue
            sounds = self._sounds(at, 0 if self.ours else number)
            maps = sounds if first else self._pictures(number, at)
            if sounds and (not self.ours or number == self.ours.number):
                words += [word for value in maps for word in ("-map", value)]
        limits = [word for one in self.output.options if one.name in _LIMITS for word in one.words()]
        return [*words, *limits, "-c", "copy", "-f", "null", "-"] if words else []

    def _sounds(self, at: int, number: int) -> list[str]:
        """What the second command takes of its input `at`, for input `number` of the first."""
        start = Start()
        options = [one for file in self.command.outputs for one in self._file(file, start).options]
        graphs = [filtergraph.parse(one.value or "") for one in options if one.name == "filter_complex"]
        values = [one.value or "" for one in options if one.name == "map"]
        values += [
            name for graph in (self._graph(start), *graphs) for _, _, node in graph.nodes() for name in node.inputs
        ]
        taken = dict.fromkeys(value for value in values if value.partition(":")[0] == str(at))
        return [f"{number}{value.removeprefix(str(at))}" for value in taken]

    def _pictures(self, number: int, at: int) -> list[str]:
        """What the first command decodes of input `number`, for input `at` of the second."""
        if self.ours:
            which = self.ours.specifier.partition(":")[2]
            return [f"{at}:{which}"] if number == self.ours.number else []
        labels = {label for _, _, node in self.cut.before.nodes() for label in node.inputs}
        return sorted(f"{at}{label.removeprefix(str(number))}" for label in labels if label.startswith(f"{number}:"))

    def _kept(self, options: Iterable[Option]) -> tuple[Option, ...]:
        """Without what only we understand, and with the inputs of other graphs renumbered."""
        kept = [one for one in options if one is not self.option and one.name not in OURS and not self._is_lost(one)]
        return tuple(self._renumbered(one) if one.name == "filter_complex" else one for one in kept)

    def _is_lost(self, option: Option) -> bool:
        """Whether an option gives our stream a filter that ours, which comes later, takes the place of."""
        if self.ours is None or option.name != "filter" or not any(option is one for one in self.output.options):
            return False
        return stream_map.fits(option, self.ours) and (
            option.specifier.count(":") > 0 or ":" not in self.option.specifier
        )

    def _renumbered(self, option: Option) -> Option:
        graph = filtergraph.relabelled(filtergraph.parse(option.value or ""), self._pad)
        return replace(option, value=str(graph))

    def _opening(self) -> list[str]:
        words = ["-nostdin"]
        if not self.command.has("hide_banner"):
            words.append("-hide_banner")
        if not self.command.has("loglevel"):
            words += ["-loglevel", "warning"]
        return words + ([] if self.command.has("stats") else ["-nostats"])

    def _graph(self, start: Start) -> filtergraph.Graph:
        """What follows the filter, with what the pipe lost put back at its head."""
        after = filtergraph.relabelled(self.cut.after, self._pad)
        inputs = [stream_map.PICTURES] if start.companion else ["0:v"] if self.ours is None else []
        graph = filtergraph.begun(after, self.cut.after_chain, inputs, start.filters)
        if not start.companion:
            return graph
        graph = replace(graph, chains=(start.companion, *graph.chains))
        return filtergraph.ended(graph, "null", [companion.OUTPUT]) if self.ours else graph

    def _pad(self, label: str) -> str:
        found = re.match(r"(\d+)(:.*)?$", label)
        return f"{self.numbers.of(int(found[1]), f'[{label}]')}{found[2] or ''}" if found else label

    def _file(self, file: File, start: Start) -> File:
        is_target = file is self.output
        ours = self.ours if is_target else None
        maps = stream_map.Maps(ours, self.inputs, self.numbers)
        made = [one for option in self._kept(file.options) for one in self._option(option, maps)]
        if not any(one.name == "map" for one in file.options):
            made = [*self._chosen(file, ours, is_target), *made]
        first = self.numbers.at[0]
        if first is not None and not any(one.key in {"map_metadata", "map_metadata:g"} for one in made):
            made = [Option("-map_metadata", str(first)), *made]
        part = output_files.part_of(file)
        url = urls.of_path(part) if part else file.url
        return replace(file, options=tuple(self._beside(made, start) if is_target else made), url=url)

    def _chosen(self, file: File, ours: stream_map.Ours | None, is_target: bool) -> list[Option]:
        """The maps that FFmpeg would make by itself; a graph's own ends it finds here as there."""
        if is_target and not ours:
            stream_map.check_pipes(file, self.inputs, self.numbers)
            return []
        return [Option("-map", value) for value in stream_map.chosen(file, ours, self.inputs, self.numbers)]

    def _option(self, option: Option, maps: stream_map.Maps) -> list[Option]:
        """An option of an output as it stands in the second command."""
        value = option.value or ""
        if option.name == "enc_time_base" and value in _DEMUXERS and self.ours and self.ours.stream:
            tick = self.ours.stream.tick
            return [replace(option, value=f"{tick.numerator}/{tick.denominator}")] if tick else [option]
        if option.name == "map":
            return [replace(option, value=one) for one in maps.of(value)]
        if option.name in _NUMBERED and (found := re.match(r"(\d+)(.*)", value)):
            return [replace(option, value=f"{self.numbers.of(int(found[1]), option.word)}{found[2]}")]
        return [option]

    def _beside(self, made: Sequence[Option], start: Start) -> list[Option]:
        """With what a single command would have done by itself; the user's own options come after it and win."""
        if self.ours is None:
            return _merged(start.options, made)
        if start.companion:
            return self._beside_companion(self.ours, made, start)
        ours = Option(f"-filter:v:{self.ours.place}", str(self._graph(start)))
        if any(one.name == "filter" and stream_map.fits(one, self.ours) for one in made):  # the last counts
            return [*self._tags(self.ours, made), *_merged(start.options, made), ours]
        return [ours, *self._tags(self.ours, made), *_merged(start.options, made)]

    def _beside_companion(self, ours: stream_map.Ours, made: Sequence[Option], start: Start) -> list[Option]:
        """The same where the pictures come from a complex graph, whose outputs have no tags or dispositions."""
        pictures = Option("-map", stream_map.PICTURES)
        kept = [one for one in made if one.name != "filter" or not stream_map.fits(one, ours)]
        kept = [replace(one, value=f"[{companion.OUTPUT}]") if one == pictures else one for one in kept]
        disposition = ours.stream.disposition if ours.stream else 0
        copied = [Option(f"-disposition:v:{ours.place}", str(disposition))] if disposition else []
        return [*copied, *self._tags(ours, made), *_merged(start.options, kept)]

    def _tags(self, ours: stream_map.Ours, made: Sequence[Option]) -> list[Option]:
        """The stream's own metadata, unless the user says which there are to be."""
        if ours.stream is None:
            return []
        mapped = any(one.name == "map_metadata" and (one.value == "-1" or ":s" in one.key) for one in made)
        tags = {} if mapped else ours.stream.tags
        return [Option(f"-metadata:s:v:{ours.place}", f"{name}={value}") for name, value in tags.items()]


def _may_be_endless(file: File) -> bool:
    """Whether an input may go on when all that is wanted of it is written."""
    return file.has("stream_loop") or file.has("loop")


def _again(file: File) -> bool:
    """Whether an input is opened a second time, for what else it holds."""
    return not is_pipe(file.url) and file.last("f") not in _NOT_AGAIN and urls.protocol(file.url) not in _SESSIONS


def _merged(extra: Sequence[str], made: Sequence[Option]) -> list[Option]:
    """The user's options with ours before them, joined where both give a list of parameters."""
    merged = [*made]
    for word, value in zip(reversed(extra[::2]), reversed(extra[1::2]), strict=True):
        ours = Option(word, value)
        if ours.name not in _JOINED or not any(one.name == ours.name for one in merged):
            merged = [ours, *merged]
        else:
            merged = [replace(one, value=f"{value}:{one.value}") if one.name == ours.name else one for one in merged]
    return merged
