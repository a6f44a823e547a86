"""One ffmpeg command with `adcvsr` in it, as two without: one decodes up to the filter, the other goes on from there.

Pure. Both see each input's timestamps as one command would; what only the first frame can tell is filled in later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ffmpeg_filter import containers, filtergraph, mapping, options
from ffmpeg_filter.argv import OURS, Command, File, Option
from ffmpeg_filter.facts import Input, is_pipe
from ffmpeg_filter.filtergraph import Cut
from ffmpeg_filter.shown import NAME as SHOWINFO
from vsadcvsr.errors import UsageError

_LABEL = "adcvsr"
_FIRST_TOO = {
    "init_hw_device", "filter_hw_device", "filter_threads", "filter_complex_threads", "copyts", "start_at_zero",
    "xerror", "max_error_rate", "dts_delta_threshold", "dts_error_threshold",
}  # fmt: skip
"""Global options that say how inputs are read, too."""
_NOT_AGAIN = {"v4l2", "x11grab", "gdigrab", "avfoundation", "dshow", "kmsgrab"}
_SAME_TIMES = {
    "adcvsr", "ass", "colorspace", "crop", "deband", "drawbox", "drawtext", "eq", "format", "gradfun", "hflip",
    "hqdn3d", "hwupload", "libplacebo", "lut", "lut3d", "noise", "null", "overlay", "pad", "scale", "setdar",
    "setparams", "setsar", "showinfo", "split", "subtitles", "tonemap", "transpose", "unsharp", "vflip", "zscale",
}  # fmt: skip
_RETIMED = {"r", "fpsmax", "fps_mode", "vsync", "enc_time_base", "force_fps"}
_JOINED = {"x265-params", "x264-params", "svtav1-params"}
"""Options that are lists with colons, in which what comes last wins."""


@dataclass(frozen=True)
class Start:
    """What the first frame tells: filters and options for the encoder, its time (seconds) and the tick of its clock."""

    filters: Sequence[str]
    options: Sequence[str]
    begin: Fraction | None
    tick: Fraction


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Two commands, without the program's name, and what lies between. `encoder` wants to know of the first frame."""

    decoder: list[str]
    encoder: Callable[[Start], list[str]]
    options: options.Options
    output: File
    codec: str
    source: int
    keeps_times: bool
    """Whether each frame comes out at its own time, as far as can be told."""
    reads_stdin: bool

    @property
    def part(self) -> str | None:
        """The name of the output until it is whole; None for what is no single file."""
        return containers.part_of(self.output)


def plan(command: Command, inputs: Sequence[Input], *, version: tuple[int, int]) -> Plan | None:
    """The two commands, given the facts of each input; None if there is no `adcvsr`. Raises UsageError."""
    del version
    found = _found(command)
    if found is None:
        return None
    if not command.inputs:
        raise UsageError.of("adcvsr", "without an input", "a command with -i")
    option, output = found
    cut = filtergraph.cut(filtergraph.parse(option.value or ""))
    assert cut is not None, "it was found there"
    ours = None if option.name == "filter_complex" else mapping.ours_of(option, output, inputs)
    codec = _codec(output, ours.place if ours else 0)
    if codec == "copy":
        raise UsageError.of("-c:v", "copy", "an encoder, since adcvsr makes new pictures")
    second = _Second(command, inputs, option, output, cut, ours, codec)
    return Plan(
        decoder=[*_decoder(command, output, cut, ours), *second.read_beside(first=True)],
        encoder=second.words,
        options=options.parse(cut.node.arguments),
        output=output,
        codec=codec,
        source=ours.number if ours else _source(cut),
        keeps_times=second.keeps_times,
        reads_stdin=any(is_pipe(one.url) for one in command.inputs),
    )


def _found(command: Command) -> tuple[Option, File] | None:
    """The option that holds our filter and the output that it speaks of."""
    graphs = [one for one in command.options() if one.name == "filter_complex" and _holds(one)]
    simple = [(one, file) for file in command.outputs for one in file.options if one.name == "filter" and _holds(one)]
    if len(graphs) + len(simple) > 1:
        raise UsageError.of("adcvsr", f"in {len(graphs) + len(simple)} filter options", "one", "run a command for each")
    if simple:
        return simple[0]
    return (graphs[0], _taker(command, graphs[0])) if graphs else None


def _holds(option: Option) -> bool:
    if not filtergraph.mentions(option.value) or filtergraph.cut(filtergraph.parse(option.value or "")) is None:
        return False
    if option.specifier.startswith("a"):
        raise UsageError.of("adcvsr", f"on audio, {option.word}", "video")
    return True


def _taker(command: Command, option: Option) -> File:
    """The output that a graph's pictures go to: that which maps one of its labels, else the first."""
    if not command.outputs:
        raise UsageError.of("command", "without an output", "an output file at the end")
    cut = filtergraph.cut(filtergraph.parse(option.value or ""))
    labels = {f"[{label}]" for _, _, node in cut.after.nodes() for label in node.outputs} if cut else set()
    takers = [
        file for file in command.outputs if any(one.name == "map" and one.value in labels for one in file.options)
    ]
    return takers[0] if takers else command.outputs[0]


def _codec(output: File, place: int) -> str:
    """The encoder of the output's video stream at that place, if it is named: the last that fits."""
    fitting = {"c", "c:v", "c:V", f"c:v:{place}", f"c:V:{place}"}
    return next((one.value or "" for one in reversed(output.options) if one.key in fitting), "")


def _source(cut: Cut) -> int:
    """The first input that a graph takes before our filter."""
    labels = (label for _, _, node in cut.before.nodes() for label in node.inputs)
    return next((int(found[0]) for label in labels if (found := re.match(r"\d+", label))), 0)


def _decoder(command: Command, output: File, cut: Cut, ours: mapping.Ours | None) -> list[str]:
    """Up to the filter. Only what the pictures come from is opened."""
    files = command.inputs if ours is None else [command.inputs[ours.number]]
    stdin = any(is_pipe(file.url) for file in files)
    words = ["-hide_banner", "-nostats", "-loglevel", "level+info", *([] if stdin else ["-nostdin"])]
    words += [word for option in command.globals() if option.name in _FIRST_TOO for word in option.words()]
    for file in files:
        words += _own(file).words()
    graph = filtergraph.ended(cut.before, f"{SHOWINFO}=checksum=0", [] if ours else [_LABEL])
    if ours:
        words += ["-map", ours.specifier, "-filter:v", str(graph)]
    else:
        words += ["-filter_complex", str(graph), "-map", f"[{_LABEL}]"]
    words += [word for one in output.options if one.name == "sws_flags" for word in one.words()]
    words += ["-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough", "-enc_time_base", "1/90000"]
    return [*words, "-avoid_negative_ts", "disabled", "-c:v", "rawvideo", "-f", "nut", "pipe:1"]


def _own(file: File) -> File:
    """The file without options that belong to none."""
    command = Command((file,))
    loose = set(command.globals())
    return file.without(lambda option: option in loose)


class _Second:
    """The command that goes on from the filter."""

    def __init__(
        self, command: Command, inputs: Sequence[Input], option: Option, output: File, cut: Cut,
        ours: mapping.Ours | None, codec: str,
    ) -> None:  # fmt: skip
        self.command, self.inputs, self.option, self.output = command, inputs, option, output
        self.cut, self.ours, self.codec = cut, ours, codec
        again = [_again(file) for file in command.inputs]
        count = iter(range(1, len(again) + 1))
        self.numbers = mapping.Numbers(tuple(next(count) if one else None for one in again))
        names = {node.name for _, _, node in cut.after.nodes()}
        retimed = any(one.name in _RETIMED for one in (*output.options, *command.globals()))
        self.keeps_times = names <= _SAME_TIMES and not retimed and not containers.has_fixed_rate(output, codec)
        self.words(Start((), (), None, Fraction(1, 90000)))  # so that what cannot be is refused at once

    def words(self, start: Start) -> list[str]:
        begin = [] if start.begin is None or self.command.has("copyts") else ["-itsoffset", _seconds(start.begin)]
        words = [*self._opening(), *begin, "-f", "nut", "-i", "pipe:0"]
        for number, file in enumerate(self.command.inputs):
            if self.numbers.at[number] is not None:
                words += replace(file, options=self._kept(file.options)).words()
            else:
                words += [word for one in self._kept(Command((file,)).globals()) for word in one.words()]
        if self.option.name == "filter_complex":
            words += ["-filter_complex", str(self._graph(start))]
        for file in self.command.outputs:
            words += self._file(file, start).words()
        words += self.read_beside(first=False)
        return words + [word for one in self._kept(self.command.rest) for word in one.words()]

    def read_beside(self, *, first: bool) -> list[str]:
        """An output to nowhere, with what the other command reads of inputs whose clock begins with what is read: both
        must set it alike. `first` is for the command that decodes.
        """
        words: list[str] = []
        for number, (one, at) in enumerate(zip(self.inputs, self.numbers.at, strict=True)):
            if not one.may_jump or at is None or (first and self.ours and number != self.ours.number):
                continue
            maps = self._sounds(at, 0 if self.ours else number) if first else self._pictures(number, at)
            words += [word for value in maps for word in ("-map", value)]
        limits = [word for one in self.output.options if one.name in {"t", "to"} for word in one.words()]
        return [*words, *limits, "-c", "copy", "-f", "null", "-"] if words else []

    def _sounds(self, at: int, number: int) -> list[str]:
        """What the second command maps of its input `at`, for input `number` of the first."""
        start = Start((), (), None, Fraction(1, 90000))
        options = [one for file in self.command.outputs for one in self._file(file, start).options]
        values = [one.value or "" for one in options if one.name == "map"]
        return [f"{number}{value.removeprefix(str(at))}" for value in values if value.startswith(f"{at}:")]

    def _pictures(self, number: int, at: int) -> list[str]:
        """What the first command decodes of input `number`, for input `at` of the second."""
        if self.ours:
            which = self.ours.specifier.partition(":")[2]
            return [f"{at}:{which}"] if number == self.ours.number else []
        labels = {label for _, _, node in self.cut.before.nodes() for label in node.inputs}
        return sorted(f"{at}{label.removeprefix(str(number))}" for label in labels if label.startswith(f"{number}:"))

    def _kept(self, options: Iterable[Option]) -> tuple[Option, ...]:
        """Without what only we understand, and with the inputs of other graphs renumbered."""
        kept = [one for one in options if one is not self.option and one.name not in OURS]
        return tuple(self._renumbered(one) if one.name == "filter_complex" else one for one in kept)

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
        inputs = ["0:v"] if self.ours is None else []
        return filtergraph.begun(after, self.cut.after_chain, inputs, start.filters)

    def _pad(self, label: str) -> str:
        found = re.match(r"(\d+)(:.*)?$", label)
        return f"{self.numbers.of(int(found[1]), f'[{label}]')}{found[2] or ''}" if found else label

    def _file(self, file: File, start: Start) -> File:
        is_target = file is self.output
        ours = self.ours if is_target else None
        maps = mapping.Maps(ours, self.inputs, self.numbers)
        made = [one for option in self._kept(file.options) for one in self._option(option, maps)]
        if not any(one.name == "map" for one in file.options):
            made = [*self._chosen(file, ours, is_target), *made]
        first = self.numbers.at[0]
        if first is not None and not any(one.key in {"map_metadata", "map_metadata:g"} for one in made):
            made = [Option("-map_metadata", str(first)), *made]
        if not is_target:
            return replace(file, options=tuple(made))
        return replace(file, options=tuple(self._beside(made, start)), url=containers.part_of(file) or file.url)

    def _chosen(self, file: File, ours: mapping.Ours | None, is_target: bool) -> list[Option]:
        """The maps that FFmpeg would make by itself; a graph's own ends it finds here as there."""
        if is_target and not ours:
            mapping.check_pipes(file, self.inputs, self.numbers)
            return []
        return [Option("-map", value) for value in mapping.chosen(file, ours, self.inputs, self.numbers)]

    def _option(self, option: Option, maps: mapping.Maps) -> list[Option]:
        """An option of an output as it stands in the second command."""
        value = option.value or ""
        if option.name == "map":
            return [replace(option, value=one) for one in maps.of(value)]
        if option.name in {"map_metadata", "map_chapters"} and (found := re.match(r"(\d+)(.*)", value)):
            return [replace(option, value=f"{self.numbers.of(int(found[1]), option.word)}{found[2]}")]
        return [option]

    def _beside(self, made: Sequence[Option], start: Start) -> list[Option]:
        """With what a single command would have done by itself; the user's own options come after it and win."""
        words = list[Option]()
        if self.keeps_times:
            which = f":v:{self.ours.place}" if self.ours else ""
            words += [Option(f"-fps_mode{which}", "passthrough"), Option(f"-enc_time_base{which}", _ratio(start.tick))]
        if self.ours:
            words.append(Option(f"-filter:v:{self.ours.place}", str(self._graph(start))))
            words += self._tags(self.ours, made)
        return [*words, *_merged(start.options, made)]

    def _tags(self, ours: mapping.Ours, made: Sequence[Option]) -> list[Option]:
        """The stream's own metadata, unless the user says which there are to be."""
        if ours.stream is None:
            return []
        mapped = any(one.name == "map_metadata" and (one.value == "-1" or ":s" in one.key) for one in made)
        tags = {} if mapped else ours.stream.tags
        words = [Option(f"-metadata:s:v:{ours.place}", f"{name}={value}") for name, value in tags.items()]
        return words + ([Option(f"-disposition:v:{ours.place}", "default")] if ours.stream.is_default else [])


def _again(file: File) -> bool:
    """Whether an input is opened a second time, for what else it holds."""
    return not is_pipe(file.url) and file.last("f") not in _NOT_AGAIN


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


def _seconds(time: Fraction) -> str:
    return f"{float(round(time * 1_000_000)) / 1e6:.6f}"


def _ratio(tick: Fraction) -> str:
    return f"{tick.numerator}/{tick.denominator}"
