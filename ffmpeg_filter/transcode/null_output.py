"""A null output of one command, which reads the streams that the other command reads: both then seek to the same point,
and agree on the start time and on the length of a loop. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffmpeg_filter.command import filtergraph
from ffmpeg_filter.command.argv import File, Option
from ffmpeg_filter.transcode import stream_map
from ffmpeg_filter.transcode.frame_count import loop_count

if TYPE_CHECKING:
    from ffmpeg_filter.transcode.encode_command import EncodeCommand

_LIMITS = {"ss", "t", "to", "frames"}


def null_output_args(encode: EncodeCommand, *, for_decoder: bool) -> list[str]:
    """The arguments of the null output, `for_decoder` of the decode command; none where it needs none."""
    args: list[str] = []
    decodes_audio = False
    for number, (info, at) in enumerate(zip(encode.inputs, encode.input_map.indices, strict=True)):
        file = encode.command.inputs[number]
        loops = loop_count(file)
        must_agree = bool(loops) or info.has_discontinuities or (_seeks(file) and not for_decoder)
        if at is None or not must_agree or not _ends(encode, file, loops):
            continue
        encoder_maps = _maps_of_encoder(encode, at, 0 if encode.main_stream else number)
        decoder_maps = _maps_of_decoder(encode, number, at)
        if encoder_maps and decoder_maps:
            maps = encoder_maps if for_decoder else decoder_maps
            if not for_decoder and loops < 0 and not _has_end(file, encode.output):
                args += ["-shortest"]
                maps = [*_maps_of_output(encode), *maps]
            args += [arg for value in maps for arg in ("-map", value)]
            decodes_audio |= bool(loops) and for_decoder and _decodes_audio(encode)
    limits = [arg for option in encode.output.options if option.name in _LIMITS for arg in option.args()]
    codecs = ["-c:v", "copy", "-c:s", "copy"] if decodes_audio else ["-c", "copy"]
    return [*args, *limits, *codecs, "-f", "null", "-"] if args else []


def _ends(encode: EncodeCommand, file: File, loops: int) -> bool:
    """Whether a null output that reads an input ends with what is needed of it."""
    return not file.has("loop") and (loops >= 0 or _has_end(file, encode.output) or _ends_with_shortest(encode))


def _ends_with_shortest(encode: EncodeCommand) -> bool:
    """Whether the output ends with the shortest of its streams, none of which a filter or limit makes shorter."""
    filters = [option for option in encode.output.options if option.name == "filter" and option is not encode.option]
    is_steady = encode.is_steady and encode.is_steady_before
    is_alone = encode.main_stream is not None and len(encode.command.outputs) == 1
    return is_alone and is_steady and not filters and encode.output.has("shortest") and not encode.output.has("fs")


def _maps_of_output(encode: EncodeCommand) -> list[str]:
    """The streams of the output in the encode command."""
    options = encode.options_of(encode.output)
    return [option.value or "" for option in options if option.name == "map"]


def _decodes_audio(encode: EncodeCommand) -> bool:
    """Whether the encode command may decode audio. FFmpeg then ignores how long the last frame of a video is where
    it measures the length of a loop.
    """
    is_filtered = any(option.name == "filter_complex" for option in encode.command.options())
    codecs = [file.last("c:a") or file.last("c") for file in encode.command.outputs]
    return is_filtered or any(codec != "copy" for codec in codecs)


def _maps_of_encoder(encode: EncodeCommand, at: int, number: int) -> list[str]:
    """Streams that the encode command reads of its input `at`, for input `number` of the decode command."""
    outputs = [encode.options_of(file) for file in encode.command.outputs]
    options = [option for output in outputs for option in output]
    graphs = [filtergraph.parse(option.value or "") for option in options if option.name == "filter_complex"]
    values = [value for output in outputs for value in _maps_of(encode, output)]
    values += [
        name for graph in (encode.planned_graph(), *graphs) for _, _, node in graph.nodes() for name in node.inputs
    ]
    maps = dict.fromkeys(value for value in values if value.partition(":")[0] == str(at))
    return [f"{number}{value.removeprefix(str(at))}" for value in maps]


def _maps_of(encode: EncodeCommand, options: Sequence[Option]) -> list[str]:
    """The maps of an output of the encode command without those all of whose streams negative maps take out."""
    values = [option.value or "" for option in options if option.name == "map"]
    selected = stream_map.selected_streams(values, lambda value: _streams_of(encode, value))
    return [value for value, streams in selected if streams or not _streams_of(encode, value)]


def _streams_of(encode: EncodeCommand, value: str) -> list[stream_map.StreamRef]:
    """The streams that a map of the encode command selects, as far as known."""
    number, colon, specifier = value.removeprefix("-").partition(":")
    if not number.isdecimal() or int(number) not in encode.input_map.indices:
        return []
    user_value = f"{encode.input_map.indices.index(int(number))}{colon}{specifier}"
    return [ref for ref in stream_map.matching_streams(user_value, encode.inputs) if ref[1] is not None]


def _maps_of_decoder(encode: EncodeCommand, number: int, at: int) -> list[str]:
    """Streams that the decode command reads of input `number`, for input `at` of the encode command."""
    if encode.main_stream:
        which = encode.main_stream.specifier.partition(":")[2]
        return [f"{at}:{which}"] if number == encode.main_stream.input_number else []
    labels = {label for _, _, node in encode.cut.before.nodes() for label in node.inputs}
    return sorted(f"{at}{label.removeprefix(str(number))}" for label in labels if label.startswith(f"{number}:"))


def _has_end(*files: File) -> bool:
    return any(file.has(name) for file in files for name in ("t", "to"))


def _seeks(file: File) -> bool:
    return file.has("ss") or file.has("sseof")
