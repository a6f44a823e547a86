"""Splitting of a command with `adcvsr` into a decode command and an encode command.

Pure. Both see the same input timestamps as a single command would; what only the first frame can tell is filled in
later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ffmpeg_filter.command import containers, filter_options, filtergraph, graph_cut, output_files, time_syntax, urls
from ffmpeg_filter.command.argv import Command, File, Option
from ffmpeg_filter.command.graph_cut import GraphCut
from ffmpeg_filter.media import embedded_side_data
from ffmpeg_filter.media.pixel_formats import OLDEST_LIBAVUTIL, supported_formats
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.media.showinfo import FILTER as SHOWINFO
from ffmpeg_filter.media.showinfo import LOST_KEYFRAMES_WARNING, PROFILE, lost_side_data_warning
from ffmpeg_filter.transcode import companion, stream_map
from ffmpeg_filter.transcode.encode_command import EncodeCommand, StartInfo
from ffmpeg_filter.transcode.frame_writer import TIME_ORIGIN, StreamInfo
from ffmpeg_filter.transcode.null_output import null_output_args
from vsadcvsr.errors import UsageError

_LABEL = "adcvsr"
_DECODER_GLOBALS = {
    "init_hw_device", "filter_hw_device", "filter_threads", "filter_complex_threads", "copyts", "start_at_zero",
    "xerror", "max_error_rate", "dts_delta_threshold", "dts_error_threshold",
}  # fmt: skip
"""Global options that affect how inputs are read."""

_REPEAT_FRAMES = Fraction(1, 2)
"""Gap before the first frame, in frames, from which FFmpeg duplicates it at a constant rate."""
_PROFILE_IN_FRAMES = (60, 0)
"""libavutil from which frames have the ICC profile of their track (FFmpeg 8)."""
_NAMED_TIME_BASES = (58, 29)
"""libavutil from which `-enc_time_base` knows names (FFmpeg 6.1)."""
_NO_AUTOROTATE = (["-noautorotate"], ["-autorotate", "0"])


@dataclass(frozen=True, kw_only=True)
class SplitCommand:
    """The two commands, without the program's name, and the options of `adcvsr`."""

    decoder_args: list[str]
    encoder_args: Callable[[StartInfo], list[str]]
    """Builds the arguments from the facts of the first frame."""
    filter_options: filter_options.FilterOptions
    """Options of `adcvsr`."""
    cut: GraphCut
    """The filters before and after it."""
    output: File
    """The output that gets the upscaled frames."""
    codec: str
    """Its encoder, empty for the default."""
    place: stream_map.VideoPlace | None
    """Place of the upscaled stream among the output's video streams; None if it is the only one, or not known."""
    source: int
    """Number of the input with the main stream."""
    stream: InputStream | None
    """The main stream, if it is known."""
    is_alone: bool
    """Whether its input has no other stream and no -itsoffset, which decides how FFmpeg starts constant rate video."""
    fills_gaps: bool
    """Whether FFmpeg duplicates frames to fill gaps."""
    keeps_times: bool
    """Whether frames are known to keep their timestamps."""
    may_go_on: bool
    """Whether frames may follow the upscaled ones: those of a longer video that is laid over them."""
    may_stop: bool
    """Whether the last of them may be missing, since a shorter video that is laid over them ends the output."""
    rotates: bool
    """Whether FFmpeg rotates frames, rather than leaving that to players (`-noautorotate`)."""
    reads_stdin: bool
    """Whether an input is standard input."""
    warnings: tuple[str, ...]
    """What is known before the first frame not to come through."""
    format_filter: str
    """The filter before `adcvsr` that converts unsupported pixel formats."""
    companion_track: companion.CompanionTrack | None
    """None if no companion track is needed."""

    @property
    def temporary_output(self) -> str | None:
        """Temporary path of the output; None if it is not a single file."""
        return output_files.temporary_path(self.output)

    def stream_info(self, time_base: Fraction, rate: Fraction | None, start_time: Fraction | None) -> StreamInfo:
        """Properties that all frames share, from time base, frame rate and time (seconds) of the first frame."""
        stream = self.stream
        known_rate = rate or (stream.base_rate if stream else None)
        begins_late = bool(start_time and known_rate and start_time * known_rate >= _REPEAT_FRAMES)
        return StreamInfo(
            time_base=time_base,
            rate=rate,
            stream_rate=stream.base_rate if stream else None,
            origin=0 if self.is_alone and (start_time is None or start_time >= 0) else TIME_ORIGIN,
            disposition=stream.disposition if stream else 0,
            begins_late=begins_late and self.is_alone and self.fills_gaps,
        )


def split_command(
    command: Command, inputs: Sequence[InputInfo], *, version: tuple[int, int] = OLDEST_LIBAVUTIL, alone: bool = False
) -> SplitCommand | None:
    """Splits a command, given probed inputs and libavutil's version; None if it has no `adcvsr`.

    `alone` disables the companion track, and a second use of the source by a simple graph. Raises UsageError.
    """
    option_and_output = _find_filter(command, inputs)
    if option_and_output is None:
        return None
    if not command.inputs:
        raise UsageError("the command has no input for adcvsr; add one with -i")
    option, output = option_and_output
    main_stream = None if option.name == "filter_complex" else stream_map.main_stream_of(option, output, inputs)
    cut = graph_cut.cut(filtergraph.parse(option.value or ""), is_simple=main_stream is not None and not alone)
    assert cut is not None, "it was found there"
    codec = _codec(output, main_stream)
    if codec == "copy":
        raise UsageError("-c:v copy cannot be used with adcvsr, which makes new frames; name an encoder")
    parsed_options = filter_options.parse(cut.node.arguments)
    files = command.inputs if main_stream is None else [command.inputs[main_stream.input_number]]
    if synchronized := next((file for file in files if (file.last("isync") or "-1") != "-1"), None):
        raise UsageError(
            f"-isync of {synchronized.url}, whose frames go to adcvsr, is not supported; use -itsoffset with the "
            "seconds between the two inputs, or -isync of the other input"
        )
    if version < _NAMED_TIME_BASES and any(o.name == "enc_time_base" and o.value == "demux" for o in output.options):
        raise UsageError("-enc_time_base demux needs FFmpeg 6.1 or later; with this one write -enc_time_base -1")
    overlays = _overlays(cut.after)
    encode = EncodeCommand(command, inputs, option, output, cut, main_stream, codec)
    trim = _start_trim(command, output) if encode.is_steady and not parsed_options.enable else []
    source = main_stream.input_number if main_stream else _source(cut, len(inputs))
    kinds = () if alone else _side_data(inputs, main_stream, source)
    companion_codec = companion.codec_for(kinds, version, wants_keyframes=_wants_source_keyframes(output) and not alone)
    format_filter = f"format={'|'.join(supported_formats(version))}"
    decoder_args, companion_track = _decoder(
        command, files, output, cut, main_stream, [*trim, format_filter], companion_codec
    )
    return SplitCommand(
        decoder_args=[*decoder_args, *null_output_args(encode, for_decoder=True)],
        encoder_args=encode.args,
        filter_options=parsed_options,
        cut=cut,
        output=output,
        codec=codec,
        place=main_stream.place if main_stream else stream_map.place_of_graph(cut.after, output, inputs),
        source=source,
        stream=main_stream.stream if main_stream else None,
        is_alone=main_stream is not None
        and len(inputs[main_stream.input_number].streams) < 2
        and not time_syntax.input_offset(files[0]),
        fills_gaps=containers.fills_gaps(output, version),
        keeps_times=encode.keeps_times,
        may_go_on=False in overlays,
        may_stop=True in overlays,
        rotates=not any(option.args() in _NO_AUTOROTATE for option in files[0].options),
        reads_stdin=any(urls.is_pipe(file.url) for file in command.inputs),
        warnings=(
            *_guess_warnings(command.inputs, inputs),
            *([LOST_KEYFRAMES_WARNING] if not companion_track and _wants_source_keyframes(output) else []),
            *([lost_side_data_warning([PROFILE])] if _loses_profile(main_stream, output, version) else []),
        ),
        format_filter=format_filter,
        companion_track=companion_track,
    )


def _overlays(graph: filtergraph.Graph) -> set[bool]:
    """Of each overlay, whether it ends with the shorter one of its videos."""
    ends = re.compile(r"(^|:)(shortest=(1|true)|eof_action=endall)(:|$)")
    return {ends.search(node.arguments) is not None for _, _, node in graph.nodes() if node.name == "overlay"}


def _guess_warnings(files: Sequence[File], inputs: Sequence[InputInfo]) -> Iterator[str]:
    for file, info in zip(files, inputs, strict=True):
        if info.fault:
            yield (
                f"{file.url} could not be probed ({info.fault}): its streams are chosen by guess, and tags and "
                "disposition of its video are lost; name streams with -map"
            )


def _wants_source_keyframes(output: File) -> bool:
    return any(
        option.name == "force_key_frames" and (option.value or "").startswith("source") for option in output.options
    )


def _loses_profile(main_stream: stream_map.MainStream | None, output: File, version: tuple[int, int]) -> bool:
    """Whether the ICC profile is the track's alone. FFmpeg before 8 copies it from stream to stream through a simple
    graph, and does not give it to frames.
    """
    stream = main_stream.stream if main_stream else None
    if stream is None or PROFILE not in stream.side_data or version >= _PROFILE_IN_FRAMES:
        return False
    return stream.codec not in embedded_side_data.IMAGE_CODECS and containers.keeps_profile(output)


def _side_data(inputs: Sequence[InputInfo], main_stream: stream_map.MainStream | None, source: int) -> set[str]:
    """The kinds of side data that frames have before our filter, as far as they are known."""
    if main_stream is not None:
        streams = [main_stream.stream] if main_stream.stream else []
    else:
        streams = list(inputs[source].streams) if source < len(inputs) else []
    return {kind for stream in streams for kind in stream.side_data}


def mentions_adcvsr(command: Command) -> bool:
    """Whether any filter option contains `adcvsr`, even one that is overridden."""
    return any(option.name in {"filter", "filter_complex"} and _has_adcvsr(option) for option in command.options())


def _find_filter(command: Command, inputs: Sequence[InputInfo]) -> tuple[Option, File] | None:
    """The option with `adcvsr`, and the output it applies to."""
    graphs = [option for option in command.options() if option.name == "filter_complex" and _has_adcvsr(option)]
    simple = [
        (option, file)
        for file in command.outputs
        for at, option in enumerate(file.options)
        if option.name == "filter" and _has_adcvsr(option) and not _is_overridden(file, at, inputs)
    ]
    if len(graphs) + len(simple) > 1:
        raise UsageError(f"adcvsr is in {len(graphs) + len(simple)} filter options; run a command for each")
    if simple:
        return simple[0]
    return (graphs[0], _output_of_graph(command, graphs[0])) if graphs else None


def _is_overridden(file: File, at: int, inputs: Sequence[InputInfo]) -> bool:
    """Whether a later filter option applies to the same stream."""
    later = [option for option in file.options[at + 1 :] if option.name == "filter"]
    return bool(later) and any(
        stream_map.applies_to(option, stream_map.main_stream_of(file.options[at], file, inputs)) for option in later
    )


def _has_adcvsr(option: Option) -> bool:
    if not filtergraph.mentions(option.value):
        return False
    if graph_cut.cut(filtergraph.parse(option.value or ""), is_simple=option.name == "filter") is None:
        return False
    if option.specifier.startswith("a"):
        raise UsageError(f"adcvsr is used on audio ({option.token}); it takes video")
    return True


def _output_of_graph(command: Command, option: Option) -> File:
    """The output that maps a label of the graph, else the first."""
    if not command.outputs:
        raise UsageError("the command has no output; add a file name at its end")
    cut = graph_cut.cut(filtergraph.parse(option.value or ""))
    labels = {f"[{label}]" for _, _, node in cut.after.nodes() for label in node.outputs} if cut else set()
    files = [
        file
        for file in command.outputs
        if any(option.name == "map" and option.value in labels for option in file.options)
    ]
    return files[0] if files else command.outputs[0]


def _codec(output: File, main_stream: stream_map.MainStream | None) -> str:
    """The encoder of the main stream, by default of the output's first video stream; empty if it is not named."""
    stream = main_stream or stream_map.MainStream(0, None, index=None)
    codecs = [option for option in output.options if option.name == "c" and stream_map.applies_to(option, stream)]
    return (codecs[-1].value or "") if codecs else ""


def _source(cut: GraphCut, count: int) -> int:
    """The first input that a graph uses before `adcvsr`. Raises UsageError for an input that is not one of `count`."""
    if strange := next((label for label in cut.sources if not re.match(r"\d", label)), None):
        raise UsageError(
            f"adcvsr needs [{strange}], which its graph does not make; write the filters that make it into the same "
            "-filter_complex, separated by ';'"
        )
    numbers = {label: int(match[1]) for label in cut.sources if (match := re.match(r"(\d+)(:|$)", label))}
    for label, number in numbers.items():
        stream_map.check_number(number, count, f"[{label}]")
    return next(iter(numbers.values()), 0)


def _start_trim(command: Command, output: File) -> list[str]:
    """A filter that drops the frames that `-ss` before the output would drop, before they are upscaled in vain."""
    start = time_syntax.parse_seconds(output.last("ss"))
    if not start or start < 0 or len(command.outputs) > 1:
        return []
    return [f"trim=start={round(start * 1_000_000)}us"]


def _decoder(
    command: Command, files: Sequence[File], output: File, cut: GraphCut, main_stream: stream_map.MainStream | None,
    filters: Sequence[str], companion_codec: companion.CompanionCodec | None,
) -> tuple[list[str], companion.CompanionTrack | None]:  # fmt: skip
    """Arguments of the decode command, and output arguments of the companion track.

    `filters` are appended to the user's. Only inputs that the main stream needs are opened.
    """
    stdin = any(urls.is_pipe(file.url) for file in files)
    args = ["-hide_banner", "-nostats", "-loglevel", "level+info", *([] if stdin else ["-nostdin"])]
    args += [arg for option in command.globals() if option.name in _DECODER_GLOBALS for arg in option.args()]
    for file in files:
        args += _with_file_options(file).args()
    graph = cut.before
    for body in filters:
        graph = filtergraph.append(graph, body, [])
    track: companion.CompanionTrack | None = None
    outputs = [] if main_stream or companion_codec else [_LABEL]
    shown = filtergraph.append(graph, f"{SHOWINFO}=checksum=0", outputs)
    if main_stream:
        if companion_codec:
            track = companion.from_simple_graph(companion_codec, graph, main_stream.specifier)
        args += ["-map", main_stream.specifier, "-filter:v", str(shown)]
    else:
        if companion_codec:
            shown, track = companion.with_companion(companion_codec, shown, _LABEL)
        args += ["-filter_complex", str(shown), "-map", f"[{_LABEL}]"]
    args += [arg for option in output.options if option.name == "sws_flags" for arg in option.args()]
    args += ["-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough", "-enc_time_base", "1/90000"]
    return [*args, "-c:v", "rawvideo", "-f", "rawvideo", "pipe:1"], track


def _with_file_options(file: File) -> File:
    """The file without global options, and without options that refer to other files."""
    loose = set(Command((file,)).globals())
    return file.without(lambda option: option in loose or option.name in {"dump_attachment", "isync"})
