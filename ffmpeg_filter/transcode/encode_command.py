"""The encode command: input 0 is the pipe with upscaled frames, followed by the user's inputs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ffmpeg_filter.command import containers, filtergraph, graph_cut, output_files, time_syntax, urls
from ffmpeg_filter.command.argv import ADCVSR_OPTIONS, Command, File, Option
from ffmpeg_filter.command.filtergraph import Node
from ffmpeg_filter.command.graph_cut import GraphCut
from ffmpeg_filter.media import matroska
from ffmpeg_filter.media.probe import DEFAULT, InputInfo
from ffmpeg_filter.transcode import companion, stream_map
from ffmpeg_filter.transcode.null_output import null_output_args
from ffmpeg_filter.transcode.parameter_lists import merge_options

_SINGLE_USE_DEVICES = {"v4l2", "x11grab", "gdigrab", "avfoundation", "dshow", "kmsgrab"}
_SAME_TIMES = {
    "adcvsr", "ass", "colorspace", "crop", "deband", "drawbox", "drawtext", "eq", "format", "gradfun", "hflip",
    "hqdn3d", "hwupload", "libplacebo", "lut", "lut3d", "noise", "null", "overlay", "pad", "scale", "setdar",
    "setparams", "setsar", "showinfo", "split", "subtitles", "tonemap", "transpose", "unsharp", "vflip", "zscale",
}  # fmt: skip
_RETIMED = {"r", "fpsmax", "fps_mode", "vsync", "enc_time_base", "force_fps"}
_RETIMING_BITSTREAM_FILTERS = re.compile(r"(?:^|,)\s*(?:setts|noise|(?:vp9_superframe|av1_frame)_split)\b")
"""Bitstream filters that may change times or the number of packets."""
_DEMUXERS = {"-1", "demux"}
"""Values of `-enc_time_base` that mean the source's time base, which the pipe lacks."""
_IN_PIPE = sum(matroska.DISPOSITIONS) | DEFAULT
"""Dispositions that the pipe's header states: not that of a cover, for example."""
_INPUT_NUMBER_OPTIONS = {"map_metadata", "map_chapters", "map_channel"}
"""Options whose value begins with an input number."""


@dataclass(frozen=True)
class StartInfo:
    """What is known only after the first frame."""

    filters: Sequence[str] = ()
    """Filters at the head of the encoder's graph."""
    options: Sequence[str] = ()
    """Encoder options."""
    input_options: Sequence[str] = ("-c:v", "rawvideo", "-f", "matroska")
    """Input options of the pipe."""
    origin: int = 0
    """Seconds added to timestamps on the pipe."""
    start_time: Fraction | None = None
    """Time of the first frame in seconds."""
    companion: tuple[Node, ...] = ()
    """Filters of the companion track, if there is one."""


class EncodeCommand:
    """Builds the arguments of the encode command. Raises UsageError when created."""

    def __init__(
        self, command: Command, inputs: Sequence[InputInfo], option: Option, output: File, cut: GraphCut,
        main_stream: stream_map.MainStream | None, codec: str,
    ) -> None:  # fmt: skip
        self.command, self.inputs, self.option, self.output = command, inputs, option, output
        self.cut, self.main_stream = cut, main_stream
        reopenable = [_can_reopen(file) for file in command.inputs]
        count = iter(range(1, len(reopenable) + 1))
        self.input_map = stream_map.InputMap(tuple(next(count) if can_reopen else None for can_reopen in reopenable))
        self.is_steady = _is_steady(cut.after)
        self.is_steady_before = _is_steady(cut.before)
        retimed = any(map(_is_retiming, (*output.options, *command.globals())))
        self.keeps_times = self.is_steady and not retimed and not containers.has_fixed_rate(output, codec)
        self.args(StartInfo())  # so that what cannot be is refused at once

    def args(self, start_info: StartInfo) -> list[str]:
        """The arguments, given the facts of the first frame."""
        args = [
            *self._global_options(),
            *self._offset(start_info),
            "-seek_timestamp",
            "1",
            *start_info.input_options,
            "-i",
            "pipe:0",
        ]
        for number, file in enumerate(self.command.inputs):
            if self.input_map.indices[number] is not None:
                args += replace(file, options=self._input_options(file)).args()
            else:
                args += [
                    arg for option in self._without_own_options(Command((file,)).globals()) for arg in option.args()
                ]
        if self.option.name == "filter_complex" or self._is_complex(start_info):
            args += ["-filter_complex", str(self._graph(start_info))]
        for file in self.command.files:
            if file.is_decoder:
                args += replace(file, options=self._without_own_options(file.options)).args()
            elif file.is_output:
                args += self._file(file, start_info).args()
        args += null_output_args(self, for_decoder=False)
        return args + [arg for option in self._without_own_options(self.command.trailing) for arg in option.args()]

    def options_of(self, file: File) -> tuple[Option, ...]:
        """The options of an output, as far as they are known before the first frame."""
        return self._file(file, StartInfo()).options

    def planned_graph(self) -> filtergraph.Graph:
        """The filters after `adcvsr`, as far as they are known before the first frame."""
        return self._graph(StartInfo())

    def _offset(self, start_info: StartInfo) -> list[str]:
        """An -itsoffset that removes the origin, so that both commands agree on timestamps. With -start_at_zero FFmpeg
        itself removes it, and the time of the first frame, too.
        """
        is_from_zero = self.command.has("copyts") and self.command.has("start_at_zero")
        offset = start_info.start_time or Fraction(0) if is_from_zero else Fraction(-start_info.origin)
        return ["-itsoffset", time_syntax.format_seconds(offset)] if offset else []

    def _without_own_options(self, options: Iterable[Option]) -> tuple[Option, ...]:
        """Options without those that only ffadcvsr knows; inputs in other graphs are renumbered."""
        remaining = [
            option
            for option in options
            if option is not self.option and option.name not in ADCVSR_OPTIONS and not self._is_overridden(option)
        ]
        return tuple(
            self._renumber_graph(option) if option.name == "filter_complex" else option for option in remaining
        )

    def _input_options(self, file: File) -> tuple[Option, ...]:
        return tuple(
            replace(option, value=str(self.input_map.index_of(int(option.value or ""), "-isync")))
            if option.name == "isync" and (option.value or "").isdecimal()
            else option
            for option in self._without_own_options(file.options)
        )

    def _is_overridden(self, option: Option) -> bool:
        """Whether an option sets a filter of the main stream that `adcvsr`'s option replaces."""
        if (
            self.main_stream is None
            or option.name != "filter"
            or not any(option is other for other in self.output.options)
        ):
            return False
        return stream_map.applies_to(option, self.main_stream) and (
            option.specifier.count(":") > 0 or ":" not in self.option.specifier
        )

    def _renumber_graph(self, option: Option) -> Option:
        graph = filtergraph.relabel(filtergraph.parse(option.value or ""), self._renumber_pad)
        return replace(option, value=str(graph))

    def _global_options(self) -> list[str]:
        args = ["-nostdin"]
        if not self.command.has("hide_banner"):
            args.append("-hide_banner")
        if not self.command.has("loglevel"):
            args += ["-loglevel", "warning"]
        return args + ([] if self.command.has("stats") else ["-nostats"])

    def _graph(self, start_info: StartInfo) -> filtergraph.Graph:
        """The filters after `adcvsr`, preceded by filters that restore what the pipe lost."""
        after = self._with_source(filtergraph.relabel(self.cut.after, self._renumber_pad))
        is_complex = self._is_complex(start_info)
        inputs = [stream_map.UPSCALED_STREAM] if is_complex else ["0:v"] if self.main_stream is None else []
        graph = filtergraph.prepend(after, self.cut.after_chain, inputs, start_info.filters)
        if self.main_stream and is_complex:
            graph = graph_cut.with_output(graph, companion.OUTPUT_LABEL)
        return replace(graph, chains=(start_info.companion, *graph.chains)) if start_info.companion else graph

    def _is_complex(self, start_info: StartInfo) -> bool:
        """Whether a simple graph becomes a complex one, since it needs a second input."""
        return bool(start_info.companion) or self.cut.source_chain is not None

    def _with_source(self, graph: filtergraph.Graph) -> filtergraph.Graph:
        """The graph with the source's stream, by name, where a simple graph takes it again."""
        number, main_stream = self.cut.source_chain, self.main_stream
        if number is None or main_stream is None:
            return graph
        index = self.input_map.index_of(main_stream.input_number, self.option.token)
        label = f"{index}:{main_stream.specifier.removeprefix('0:')}"
        return filtergraph.prepend(graph, number, [label], ())

    def _renumber_pad(self, label: str) -> str:
        match = re.match(r"(\d+)(:.*)?$", label)
        return f"{self.input_map.index_of(int(match[1]), f'[{label}]')}{match[2] or ''}" if match else label

    def _file(self, file: File, start_info: StartInfo) -> File:
        is_target = file is self.output
        main_stream = self.main_stream if is_target else None
        maps = stream_map.MapTranslator(main_stream, self.inputs, self.input_map)
        result = [
            translated
            for option in self._without_own_options(file.options)
            for translated in [*self._translate(option, maps), *(self._time_base(option) if is_target else ())]
        ]
        if not any(option.name == "map" for option in file.options):
            result = [*self._default_maps(file, main_stream, is_target), *result]
        first = self.input_map.indices[0]
        if first is not None and "g" not in _mapped_metadata(result):
            uncopied = [Option("-metadata", f"{name}=") for name in self.inputs[0].uncopied_tags]
            result = [Option("-map_metadata", str(first)), *uncopied, *result]
        temporary = output_files.temporary_path(file)
        url = urls.from_path(temporary) if temporary else file.url
        return replace(file, options=tuple(self._with_defaults(result, start_info) if is_target else result), url=url)

    def _default_maps(self, file: File, main_stream: stream_map.MainStream | None, is_target: bool) -> list[Option]:
        """FFmpeg's default maps, or the outputs of a complex graph."""
        if is_target and not main_stream:
            stream_map.check_pipes(file, self.inputs, self.input_map)
            return []
        return [
            Option("-map", value) for value in stream_map.default_maps(file, main_stream, self.inputs, self.input_map)
        ]

    def _translate(self, option: Option, maps: stream_map.MapTranslator) -> list[Option]:
        """An output option for the encode command."""
        value = option.value or ""
        if option.name == "map":
            return [replace(option, value=mapped) for mapped in maps.translate(value)]
        if option.name in _INPUT_NUMBER_OPTIONS and (match := re.match(r"(\d+)(.*)", value)):
            return [replace(option, value=f"{self.input_map.index_of(int(match[1]), option.token)}{match[2]}")]
        return [option]

    def _time_base(self, option: Option) -> list[Option]:
        """Behind an `-enc_time_base` that means the source's, which the pipe lacks: the same for the upscaled stream as
        a number. Of other streams FFmpeg knows it.
        """
        if option.name != "enc_time_base" or option.value not in _DEMUXERS:
            return []
        stream = self.main_stream or self._stream_of_graph()
        time_base = stream.stream.time_base if stream.stream else None
        if time_base is None or not stream_map.applies_to(option, stream):
            return []
        return [Option(f"-enc_time_base:v:{stream.position}", f"{time_base.numerator}/{time_base.denominator}")]

    def _stream_of_graph(self) -> stream_map.MainStream:
        """The output's stream that a complex graph makes, with the first video stream that the graph takes."""
        labels = [*self.cut.sources, *(f"{number}:v" for number in range(len(self.inputs)))]
        refs = [ref for label in labels for ref in stream_map.matching_streams(label, self.inputs)]
        taken = next((stream for _, stream in refs if stream is not None and stream.kind == "video"), None)
        place = stream_map.place_of_graph(self.cut.after, self.output, self.inputs)
        return stream_map.MainStream(0, taken, place.position if place else 0, index=None)

    def _with_defaults(self, user_options: Sequence[Option], start_info: StartInfo) -> list[Option]:
        """The options plus those that a single command would imply; the user's come last and win."""
        if self.main_stream is None:
            return merge_options(start_info.options, user_options)
        if self._is_complex(start_info):
            return self._with_complex_defaults(self.main_stream, user_options, start_info)
        filter_option = Option(f"-filter:v:{self.main_stream.position}", str(self._graph(start_info)))
        if any(
            option.name == "filter" and stream_map.applies_to(option, self.main_stream) for option in user_options
        ):  # the last counts
            return [
                *self._stream_metadata(self.main_stream, user_options),
                *merge_options(start_info.options, user_options),
                filter_option,
            ]
        return [
            filter_option,
            *_disposition_options(self.main_stream, _IN_PIPE),
            *self._stream_metadata(self.main_stream, user_options),
            *merge_options(start_info.options, user_options),
        ]

    def _with_complex_defaults(
        self, main_stream: stream_map.MainStream, user_options: Sequence[Option], start_info: StartInfo
    ) -> list[Option]:
        """The same for frames from a complex graph, whose outputs have no tags or dispositions."""
        video_map = Option("-map", stream_map.UPSCALED_STREAM)
        result = [
            option
            for option in user_options
            if option.name != "filter" or not stream_map.applies_to(option, main_stream)
        ]
        result = [
            replace(option, value=f"[{companion.OUTPUT_LABEL}]") if option == video_map else option for option in result
        ]
        return [
            *_disposition_options(main_stream, 0),
            *self._stream_metadata(main_stream, user_options),
            *merge_options(start_info.options, result),
        ]

    def _stream_metadata(self, main_stream: stream_map.MainStream, user_options: Sequence[Option]) -> list[Option]:
        """The main stream's own metadata, unless the user selects metadata."""
        if main_stream.stream is None:
            return []
        tags = {} if "s" in _mapped_metadata(user_options) else main_stream.stream.tags
        return [Option(f"-metadata:s:v:{main_stream.position}", f"{name}={value}") for name, value in tags.items()]


def _is_retiming(option: Option) -> bool:
    """Whether an option may change the times or the number of packets."""
    return option.name in _RETIMED or bool(
        option.name == "bsf" and _RETIMING_BITSTREAM_FILTERS.search(option.value or "")
    )


def _is_steady(graph: filtergraph.Graph) -> bool:
    """Whether no filter of a graph changes the number or the times of frames."""
    return {node.name for _, _, node in graph.nodes()} <= _SAME_TIMES


def _mapped_metadata(options: Iterable[Option]) -> set[str]:
    """The kinds of metadata that FFmpeg does not copy by itself because of `-map_metadata`: those that an option takes
    or gives, `g` of the file, `s` of streams and others; all where a file is said to have none.
    """
    kinds: set[str] = set()
    for option in options:
        if option.name == "map_metadata":
            number, _, taken = (option.value or "").partition(":")
            is_none = number.startswith("-") and not option.specifier
            kinds |= {"g", "s"} if is_none else {taken[:1] or "g", option.specifier[:1] or "g"}
    return kinds


def _can_reopen(file: File) -> bool:
    """Whether an input can be opened a second time, for its other streams."""
    return (
        not urls.is_pipe(file.url)
        and file.last("f") not in _SINGLE_USE_DEVICES
        and urls.protocol(file.url) not in urls.SESSIONS
    )


def _disposition_options(main_stream: stream_map.MainStream, carried: int) -> list[Option]:
    """The option for dispositions of the main stream of which some are not `carried`; none where all are."""
    disposition = main_stream.stream.disposition if main_stream.stream else 0
    return [Option(f"-disposition:v:{main_stream.position}", str(disposition))] if disposition & ~carried else []
