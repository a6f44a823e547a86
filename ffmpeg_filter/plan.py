"""One ffmpeg command with `adcvsr` in it, as two without: one decodes up to the filter, the other goes on from there.

Pure. Both see each input's timestamps as one command would; what only the first frame can tell is filled in later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ffmpeg_filter import filtergraph, mapping, options
from ffmpeg_filter.argv import OURS, Command, File, Option
from ffmpeg_filter.facts import Input, is_pipe
from ffmpeg_filter.filtergraph import Cut
from ffmpeg_filter.shown import NAME as SHOWINFO
from vsadcvsr.errors import UsageError

_LABEL = "adcvsr"
_FIRST_TOO = frozenset(
    ["init_hw_device", "filter_hw_device", "filter_threads", "filter_complex_threads", "copyts", "start_at_zero"]
)
_NOT_AGAIN = {"v4l2", "x11grab", "gdigrab", "avfoundation", "dshow", "kmsgrab"}
_FIXED_RATE = {"mpeg1video", "mpeg2video", "mpeg4", "libxvid", "msmpeg4", "h263", "h263p", "dvvideo", "gif"}
_SAME_TIMES = {
    "adcvsr", "ass", "colorspace", "crop", "deband", "drawbox", "drawtext", "eq", "format", "gradfun", "hflip",
    "hqdn3d", "hwupload", "libplacebo", "lut", "lut3d", "noise", "null", "overlay", "pad", "scale", "setdar",
    "setparams", "setsar", "showinfo", "split", "subtitles", "tonemap", "transpose", "unsharp", "vflip", "zscale",
}  # fmt: skip
_RETIMED = {"r", "fps_mode", "vsync", "enc_time_base", "force_fps"}
_MANY_FILES = {"segment", "hls", "dash", "tee", "image2", "null", "stream_segment", "ssegment", "smoothstreaming"}
PART = ".adcvsr-part"


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
        return _part_of(self.output)


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
    codec = _codec(output)
    if codec == "copy":
        raise UsageError.of("-c:v", "copy", "an encoder, since adcvsr makes new pictures")
    ours = None if option.name == "filter_complex" else mapping.ours_of(output, inputs)
    second = _Second(command, inputs, option, output, cut, ours, codec)
    return Plan(
        decoder=_decoder(command, cut, ours),
        encoder=second.words,
        options=options.parse(cut.node.arguments),
        output=output,
        codec=codec,
        source=ours.number if ours else 0,
        keeps_times=second.keeps_times,
        reads_stdin=any(is_pipe(one.url) for one in command.inputs),
    )


def _found(command: Command) -> tuple[Option, File] | None:
    """The option that holds our filter and the output that it speaks of."""
    places = [
        (option, output)
        for output in command.outputs
        for option in output.options
        if option.name in {"filter", "filter_complex"} and filtergraph.mentions(option.value)
    ]
    everywhere = [
        option for option in command.options() if option.name == "filter_complex" and filtergraph.mentions(option.value)
    ]
    if not places and everywhere:
        if not command.outputs:
            raise UsageError.of("command", "without an output", "an output file at the end")
        places = [(everywhere[0], command.outputs[0])]
    real = [(option, output) for option, output in places if _holds(option)]
    if len(real) > 1:
        raise UsageError.of("adcvsr", f"in {len(real)} filter options", "one", "run one command for each")
    return real[0] if real else None


def _holds(option: Option) -> bool:
    if option.key == "filter:a":
        raise UsageError.of("adcvsr", "on audio, -filter:a", "video")
    return filtergraph.cut(filtergraph.parse(option.value or "")) is not None


def _codec(output: File) -> str:
    for option in reversed(output.options):
        if option.key in {"c:v", "c:v:0", "c"}:
            return option.value or ""
    return ""


def _decoder(command: Command, cut: Cut, ours: mapping.Ours | None) -> list[str]:
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
        self.keeps_times = names <= _SAME_TIMES and not retimed and codec not in _FIXED_RATE
        self.words(Start((), (), None, Fraction(1, 90000)))  # so that what cannot be is refused at once

    def words(self, start: Start) -> list[str]:
        begin = [] if start.begin is None or self.command.has("copyts") else ["-itsoffset", _seconds(start.begin)]
        words = [*self._opening(), *begin, "-f", "nut", "-i", "pipe:0"]
        for number, file in enumerate(self.command.inputs):
            if self.numbers.at[number] is not None:
                words += _without_ours(file).words()
            else:
                words += [word for one in Command((file,)).globals() if one.name not in OURS for word in one.words()]
        if self.option.name == "filter_complex":
            words += ["-filter_complex", str(self._graph(start))]
        for file in self.command.outputs:
            words += self._file(file, start).words()
        return words + [word for one in self.command.rest if one.name not in OURS for word in one.words()]

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
        kept = [self._option(one, file) for one in _without_ours(file).options if not self._is_replaced(one)]
        made = [one for group in kept for one in group]
        if not any(one.name == "map" for one in file.options) and (ours or not is_target):
            values = mapping.chosen(file, ours, self.inputs, self.numbers)
            made = [*(Option("-map", value) for value in values), *made]
        if not is_target:
            return replace(file, options=tuple(made))
        return replace(file, options=(*self._beside(made, start), *made), url=_part_of(file) or file.url)

    def _is_replaced(self, option: Option) -> bool:
        return option is self.option or (option.name == "filter_complex" and self.option.name == "filter_complex")

    def _option(self, option: Option, file: File) -> list[Option]:
        """An option of an output as it stands in the second command."""
        value = option.value or ""
        if option.name == "map":
            ours = self.ours if file is self.output else None
            return [replace(option, value=one) for one in mapping.mapped(value, ours, self.inputs, self.numbers)]
        if option.name in {"map_metadata", "map_chapters"} and (found := re.match(r"(\d+)(.*)", value)):
            return [replace(option, value=f"{self.numbers.of(int(found[1]), option.word)}{found[2]}")]
        return [option]

    def _beside(self, made: Sequence[Option], start: Start) -> list[Option]:
        """What a single command would have done by itself; the user's own options come after it and win."""
        words = list[Option]()
        first = self.numbers.at[0]
        if first is not None and not any(one.name == "map_metadata" for one in made):
            words.append(Option("-map_metadata", str(first)))
        if self.keeps_times:
            words += [Option("-fps_mode", "passthrough"), Option("-enc_time_base", _ratio(start.tick))]
        if self.ours:
            place = self._place(made)
            graph = str(self._graph(start))
            words.append(Option(f"-filter:v:{place}", graph))
            words += self._tags(place)
        return [*words, *_merged(start.options, made)]

    def _place(self, made: Sequence[Option]) -> int:
        """Ours is this one among the output's video streams."""
        before = [one.value or "" for one in made if one.name == "map"]
        before = before[: before.index("0:v:0")] if "0:v:0" in before else []
        videos = {
            f"{self.numbers.at[number]}:{stream.index}"
            for number, one in enumerate(self.inputs)
            for stream in one.of_kind("video")
        }
        return sum(value in videos for value in before)

    def _tags(self, place: int) -> list[Option]:
        stream = self.ours.stream if self.ours else None
        if stream is None:
            return []
        tags = [Option(f"-metadata:s:v:{place}", f"{name}={value}") for name, value in stream.tags.items()]
        return tags + ([Option(f"-disposition:v:{place}", "default")] if stream.is_default else [])


def _again(file: File) -> bool:
    """Whether an input is opened a second time, for what else it holds."""
    return not is_pipe(file.url) and file.last("f") not in _NOT_AGAIN


def _without_ours(file: File) -> File:
    return file.without(lambda option: option.name in OURS)


def _merged(extra: Sequence[str], made: Sequence[Option]) -> list[Option]:
    """Our options for an encoder; joined with the user's where both give a list of parameters."""
    pairs = [Option(word, value) for word, value in zip(extra[::2], extra[1::2], strict=True)]
    own = {one.word for one in made}
    return [one for one in pairs if one.word not in own]


def _part_of(output: File) -> str | None:
    url = output.url.removeprefix("file:")
    if is_pipe(url) or "://" in url or "%" in url or output.last("f") in _MANY_FILES:
        return None
    path = Path(url)
    if path.exists() and not path.is_file():
        return None  # a device, such as /dev/null
    return str(path.with_name(path.stem + PART + path.suffix)) if path.suffix or output.last("f") else None


def _seconds(time: Fraction) -> str:
    return f"{float(round(time * 1_000_000)) / 1e6:.6f}"


def _ratio(tick: Fraction) -> str:
    return f"{tick.numerator}/{tick.denominator}"
