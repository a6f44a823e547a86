"""One ffmpeg command with `adcvsr` in it, as two without: one decodes up to the filter, the other goes on from there.

Pure. Both see each input's timestamps as one command would; what only the first frame can tell is filled in later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ffmpeg_filter.command import containers, filter_options, filtergraph, output_files, timestamps
from ffmpeg_filter.command.argv import Command, File, Option
from ffmpeg_filter.command.filtergraph import Cut
from ffmpeg_filter.media.pixel_formats import OLDEST, known
from ffmpeg_filter.media.probe import Input, Stream, is_pipe
from ffmpeg_filter.media.showinfo import NAME as SHOWINFO
from ffmpeg_filter.transcode import companion, stream_map
from ffmpeg_filter.transcode.encode_command import Second, Start
from ffmpeg_filter.transcode.frame_writer import ORIGIN, StreamInfo
from vsadcvsr.errors import UsageError

_LABEL = "adcvsr"
_FIRST_TOO = {
    "init_hw_device", "filter_hw_device", "filter_threads", "filter_complex_threads", "copyts", "start_at_zero",
    "xerror", "max_error_rate", "dts_delta_threshold", "dts_error_threshold",
}  # fmt: skip
"""Global options that say how inputs are read, too."""

_REPEATED = Fraction(1, 2)
"""Frames before the first one from which FFmpeg repeats it, at a constant rate."""
_UNROTATED = (["-noautorotate"], ["-autorotate", "0"])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Two commands, without the program's name, and what lies between. `encoder` wants to know of the first frame."""

    decoder: list[str]
    encoder: Callable[[Start], list[str]]
    options: filter_options.Options
    output: File
    codec: str
    source: int
    stream: Stream | None
    """The source's stream, if it is one."""
    is_alone: bool
    """Whether its input has no other, and no -itsoffset: that decides how FFmpeg begins a film of constant rate."""
    fills_gaps: bool
    """Whether FFmpeg repeats frames where time goes on."""
    keeps_times: bool
    """Whether each frame comes out at its own time, as far as can be told."""
    rotates: bool
    """Whether FFmpeg rotates the pictures of the source; else it leaves that to players (`-noautorotate`)."""
    reads_stdin: bool
    loses_keys: bool
    """Whether key frames of the source are asked for (`-force_key_frames source`) and cannot be known."""
    formats: str
    """The filter in front of ours that leaves pixel formats which we take as they are, and converts others."""
    companion: companion.Companion | None
    """A further output of the decoder, if pictures need it."""

    @property
    def part(self) -> str | None:
        """The name of the output until it is whole; None for what is no single file."""
        return output_files.part_of(self.output)

    def info(self, tick: Fraction, rate: Fraction | None, begin: Fraction | None) -> StreamInfo:
        """What holds for all pictures, given the first frame's time base and time (seconds) and the rate before us."""
        stream = self.stream
        known_rate = rate or (stream.base_rate if stream else None)
        late = bool(begin and known_rate and begin * known_rate >= _REPEATED)
        return StreamInfo(
            tick=tick,
            rate=rate,
            stream_rate=stream.base_rate if stream else None,
            origin=0 if self.is_alone and (begin is None or begin >= 0) else ORIGIN,
            disposition=stream.disposition if stream else 0,
            begins_late=late and self.is_alone and self.fills_gaps,
        )


def plan(
    command: Command, inputs: Sequence[Input], *, version: tuple[int, int] = OLDEST, alone: bool = False
) -> Plan | None:
    """The two commands, given the facts of each input and libavutil's version; None if there is no `adcvsr`.

    Pictures have no companion if they are to be `alone`. Raises UsageError.
    """
    found = _found(command, inputs)
    if found is None:
        return None
    if not command.inputs:
        raise UsageError.of("adcvsr", "without an input", "a command with -i")
    option, output = found
    cut = filtergraph.cut(filtergraph.parse(option.value or ""))
    assert cut is not None, "it was found there"
    ours = None if option.name == "filter_complex" else stream_map.ours_of(option, output, inputs)
    codec = _codec(output, ours.place if ours else 0)
    if codec == "copy":
        raise UsageError.of("-c:v", "copy", "an encoder, since adcvsr makes new pictures")
    wanted = filter_options.parse(cut.node.arguments)
    files = command.inputs if ours is None else [command.inputs[ours.number]]
    second = Second(command, inputs, option, output, cut, ours, codec)
    trim = _trim(command, output) if second.is_steady and not wanted.enable else []
    source = ours.number if ours else _source(cut)
    kinds = () if alone else _side_data(inputs, ours, source)
    coded = companion.codec_for(kinds, version, keys=_wants_keys(output) and not alone)
    formats = f"format={'|'.join(known(version))}"
    decoder, beside = _decoder(command, files, output, cut, ours, [*trim, formats], coded)
    return Plan(
        decoder=[*decoder, *second.read_beside(first=True)],
        encoder=second.words,
        options=wanted,
        output=output,
        codec=codec,
        source=source,
        stream=ours.stream if ours else None,
        is_alone=ours is not None and len(inputs[ours.number].streams) < 2 and not timestamps.offset(files[0]),
        fills_gaps=containers.fills_gaps(output, version),
        keeps_times=second.keeps_times,
        rotates=not any(one.words() in _UNROTATED for one in files[0].options),
        reads_stdin=any(is_pipe(one.url) for one in command.inputs),
        loses_keys=not beside and _wants_keys(output),
        formats=formats,
        companion=beside,
    )


def _wants_keys(output: File) -> bool:
    return any(one.name == "force_key_frames" and (one.value or "").startswith("source") for one in output.options)


def _side_data(inputs: Sequence[Input], ours: stream_map.Ours | None, source: int) -> set[str]:
    """The kinds of side data that frames have before our filter, as far as they are known."""
    if ours is not None:
        streams = [ours.stream] if ours.stream else []
    else:
        streams = list(inputs[source].streams) if source < len(inputs) else []
    return {kind for stream in streams for kind in stream.side_data}


def mentions_us(command: Command) -> bool:
    """Whether our filter stands in a graph of the command, if perhaps in one that another takes the place of."""
    return any(one.name in {"filter", "filter_complex"} and _holds(one) for one in command.options())


def _found(command: Command, inputs: Sequence[Input]) -> tuple[Option, File] | None:
    """The option that holds our filter and the output that it speaks of."""
    graphs = [one for one in command.options() if one.name == "filter_complex" and _holds(one)]
    simple = [
        (one, file)
        for file in command.outputs
        for at, one in enumerate(file.options)
        if one.name == "filter" and _holds(one) and not _is_overridden(file, at, inputs)
    ]
    if len(graphs) + len(simple) > 1:
        raise UsageError.of("adcvsr", f"in {len(graphs) + len(simple)} filter options", "one", "run a command for each")
    if simple:
        return simple[0]
    return (graphs[0], _taker(command, graphs[0])) if graphs else None


def _is_overridden(file: File, at: int, inputs: Sequence[Input]) -> bool:
    """Whether a later option gives the stream of a filter option another filter: the last that fits counts."""
    later = [one for one in file.options[at + 1 :] if one.name == "filter"]
    return bool(later) and any(
        stream_map.fits(one, stream_map.ours_of(file.options[at], file, inputs)) for one in later
    )


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


def _trim(command: Command, output: File) -> list[str]:
    """A filter that drops what -ss before the output would, as FFmpeg does it, before it is made in vain."""
    start = timestamps.seconds(output.last("ss"))
    if not start or start < 0 or len(command.outputs) > 1:
        return []
    return [f"trim=start={round(start * 1_000_000)}us"]


def _decoder(
    command: Command, files: Sequence[File], output: File, cut: Cut, ours: stream_map.Ours | None,
    filters: Sequence[str], coded: companion.Codec | None,
) -> tuple[list[str], companion.Companion | None]:  # fmt: skip
    """Up to the filter, with more filters at the end of the user's. Only what the pictures come from is opened.

    The second is a companion of that coding, if there is to be one.
    """
    beside: companion.Companion | None = None
    stdin = any(is_pipe(file.url) for file in files)
    words = ["-hide_banner", "-nostats", "-loglevel", "level+info", *([] if stdin else ["-nostdin"])]
    words += [word for option in command.globals() if option.name in _FIRST_TOO for word in option.words()]
    for file in files:
        words += _own(file).words()
    graph = cut.before
    for body in filters:
        graph = filtergraph.ended(graph, body, [])
    if ours and coded:
        beside = companion.beside(coded, graph, ours.specifier)
    elif coded:
        graph = filtergraph.ended(graph, f"{SHOWINFO}=checksum=0", [])
        graph, beside = companion.split(coded, graph, _LABEL)
    if ours or not coded:
        graph = filtergraph.ended(graph, f"{SHOWINFO}=checksum=0", [] if ours else [_LABEL])
    if ours:
        words += ["-map", ours.specifier, "-filter:v", str(graph)]
    else:
        words += ["-filter_complex", str(graph), "-map", f"[{_LABEL}]"]
    words += [word for one in output.options if one.name == "sws_flags" for word in one.words()]
    words += ["-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough", "-enc_time_base", "1/90000"]
    return [*words, "-c:v", "rawvideo", "-f", "rawvideo", "pipe:1"], beside


def _own(file: File) -> File:
    """The file without options that belong to none, and those that write or look at other files."""
    loose = set(Command((file,)).globals())
    return file.without(lambda option: option in loose or option.name in {"dump_attachment", "isync"})
