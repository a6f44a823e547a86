"""Decision on how chunks are encoded: each for itself or at the merge; and where a decoder may start. Pure.

Anything not known to be safe counts as unsafe: the fallback is slower, and as exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ffmpeg_filter.command import containers, filtergraph, input_files
from ffmpeg_filter.command.argv import GLOBALS, Command, File, Option
from ffmpeg_filter.media import stream_specifiers
from ffmpeg_filter.media.probe import InputInfo
from ffmpeg_filter.transcode import stream_map
from ffmpeg_filter.transcode.split import SplitCommand
from vsadcvsr.errors import UsageError

type Mode = Literal["direct", "lossless"]
"""direct: chunks in the final encoding, concatenated. lossless: lossless chunks, encoded once at the merge."""

_PER_FRAME_FILTERS = {
    "colorchannelmixer", "colorlevels", "colormatrix", "colorspace", "copy", "crop", "curves", "eq", "format",
    "gradfun", "hflip", "hue", "lut", "lut3d", "lutrgb", "lutyuv", "negate", "noformat", "null", "pad", "scale",
    "setdar", "setparams", "setrange", "setsar", "sidedata", "tonemap", "transpose", "unsharp", "vflip", "zscale",
}  # fmt: skip
"""Filters whose output frame depends on one input frame only, unless an argument uses time or frame number."""
_TIME_VARIABLE = re.compile(r"\b(n|t|pts|pos|random)\b")
_SHORT_MEMORY_FILTERS = {"bwdif": 8, "yadif": 8, "w3fdif": 8, "estdif": 8}
"""Filters that use neighbouring frames, and the number of frames after which their start no longer matters."""

_ANY = ("m4v", "matroska", "mkv", "mov", "mp4")
_MATROSKA = ("matroska", "mkv")
_ENCODERS = {
    "ffv1": (_MATROSKA, "-threads 4"),
    "libsvtav1": (("m4v", "matroska", "mkv", "mp4"), ""),
    "libx264": (_ANY, "-threads 4"),
    "libx264rgb": (_ANY, "-threads 4"),
    "libx265": (_ANY, "-x265-params frame-threads=2"),
    "prores": (("matroska", "mkv", "mov"), ""),
    "prores_aw": (("matroska", "mkv", "mov"), ""),
    "prores_ks": (("matroska", "mkv", "mov"), ""),
}
"""Constant-quality encoders whose streams can be concatenated: the containers where that was tested, and options that
make the output independent of the number of cores.
"""

_VIDEO_OPTIONS = {
    "alpha_bits", "alpha_quality", "aq-mode", "aq-strength", "b-pyramid", "b_strategy", "bf", "bits_per_mb",
    "bits_per_raw_sample", "chroma_sample_location", "chromaoffset", "coder", "color_primaries", "color_range",
    "color_trc", "colorspace", "context", "crf", "deblock", "direct-pred", "enc_time_base", "field_order", "fps_mode",
    "g", "keyint_min", "level", "mbtree", "me_method", "me_range", "mixed-refs", "motion-est", "partitions", "pix_fmt",
    "pred", "preset", "psy", "psy-rd", "qblur", "qcomp", "qdiff", "qmax", "qmin", "qp", "quant_mat", "rc-lookahead",
    "refs", "sc_threshold", "slicecrc", "slices", "subq", "svtav1-params", "sws_flags", "threads", "trellis", "tune",
    "vendor", "weightb", "weightp", "x264-params", "x264opts", "x265-params",
}  # fmt: skip
"""Output options that affect video only."""
_VIDEO_OPTIONS_IF_SPECIFIED = {"c", "filter", "profile", "q", "qscale"}
"""Output options that affect video only if they have a `:v` specifier."""
_WHOLE_VIDEO_OPTIONS = {"b", "maxrate", "minrate", "bufsize", "pass", "passlogfile", "rc_init_occupancy"}
_WHOLE_VIDEO_PARAMETERS = re.compile(
    r"(?:^|:)\s*(bitrate|abr|tbr|mbr|vbv[\w-]*|pass|stats|rc|zones|zonefile|keyframes|qpfile|force-key[\w-]*|analysis[\w-]*"
    r"|threads|lookahead-threads|sliced-threads|stitchable|dhdr10-info|dolby-vision-rpu|nalu-file|roi-map-file|fgs-table"
    r"|frame-resz-events)=", re.IGNORECASE
)  # fmt: skip
"""Encoder parameters that refer to the whole video, inside options such as `-x265-params`."""
_CONTAINER_OPTIONS = {
    "ac", "an", "ar", "attach", "brand", "disposition", "dn", "f", "map", "map_chapters", "map_metadata",
    "max_muxing_queue_size", "metadata", "movflags", "sample_fmt", "sn", "tag",
}  # fmt: skip
"""Output options for other streams, metadata or the muxer."""


@dataclass(frozen=True)
class ChunkEncoding:
    """How chunks are encoded, and why."""

    mode: Mode
    reason: str = ""
    """Why the mode is not direct; empty if it is."""


def choose_encoding(
    command: Command, split: SplitCommand, inputs: Sequence[InputInfo], intermediate: str | None
) -> ChunkEncoding:
    """The encoding of a command's chunks. `intermediate` is the value of -farm_intermediate.

    Raises UsageError if that is `none` and chunks cannot be encoded separately.
    """
    if intermediate not in {None, "auto", "ffv1", "none"}:
        raise UsageError.of("-farm_intermediate", intermediate, "auto, ffv1 (lossless chunks), none (chunks encoded)")
    if intermediate == "ffv1":
        return ChunkEncoding("lossless", "-farm_intermediate ffv1")
    reason = next(_obstacles(command, split, inputs), "")
    if reason and intermediate == "none":
        raise UsageError(
            f"chunks cannot be encoded separately: {reason}; leave -farm_intermediate out for lossless chunks that "
            "the merge encodes as one video"
        )
    return ChunkEncoding("lossless" if reason else "direct", reason)


def _obstacles(command: Command, split: SplitCommand, inputs: Sequence[InputInfo]) -> Iterator[str]:
    """Reasons why chunks cannot be encoded separately."""
    output = split.output
    if len(command.outputs) > 1:
        yield "there are several outputs"
    if any(option.name == "filter_complex" for option in command.options()):
        yield "-filter_complex may look at other frames and inputs"
    if split.codec not in _ENCODERS:
        yield f"encoder {split.codec or 'by default'} is none of {', '.join(_ENCODERS)}"
    elif split.temporary_output is None or containers.muxer_of(output) not in _ENCODERS[split.codec][0]:
        yield f"{output.url} is no file of {', '.join(_ENCODERS[split.codec][0])}"
    if not split.keeps_times:
        yield "timestamps are changed behind adcvsr"
    if name := _first_unsteady(split.cut.after):
        yield f"{name} may depend on other frames or on time"
    if _count_videos(output, inputs) > 1:
        yield "there are several video streams"
    yield from _whole_video_options(output.options)


def _whole_video_options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        if option.name in _WHOLE_VIDEO_OPTIONS and _kind(option) in {"", "v"}:
            yield f"{option.token} {option.value} must see the whole video"
        elif option.name.endswith(("-params", "opts")) and (
            parameter := _WHOLE_VIDEO_PARAMETERS.search(option.value or "")
        ):
            yield f"{parameter[1]} in {option.token} must see the whole video"
        elif not (is_video_option(option) or _is_container_option(option)):
            yield f"{option.token} may need to see the whole video"


def _kind(option: Option) -> str:
    """The stream type in an option's specifier, in lower case; empty if there is none."""
    return option.specifier.partition(":")[0].lower()


def _first_unsteady(graph: filtergraph.Graph) -> str:
    return next((node.name for _, _, node in graph.nodes() if not _is_steady(node)), "")


def _is_steady(node: filtergraph.Node) -> bool:
    values = (field.partition("=")[2] or field for field in filtergraph.fields(node.arguments))
    return node.name in _PER_FRAME_FILTERS and not any(_TIME_VARIABLE.search(value) for value in values)


def filter_files(split: SplitCommand) -> Iterator[Path]:
    """Paths that the filters after `adcvsr` may read, such as a table of `lut3d`, existing or not."""
    yield from input_files.of_filters(node for _, _, node in split.cut.after.nodes())


def _count_videos(output: File, inputs: Sequence[InputInfo]) -> int:
    """Upper bound of the number of video streams in an output."""
    maps = [option.value or "" for option in output.options if option.name == "map"]
    return sum(_count_mapped(value, inputs) for value in maps) if maps else 1


def _count_mapped(value: str, inputs: Sequence[InputInfo]) -> int:
    """The same of one `-map`. What selects no known stream may select any."""
    specifier = value.partition(":")[2].removesuffix("?")
    if value.startswith("-") or stream_specifiers.excludes_video(specifier):
        return 0
    if streams := stream_map.matching_streams(value, inputs):
        return sum(stream is None or stream.kind == "video" for _, stream in streams)
    return max(sum(len(info.of_kind("video")) for info in inputs), 1)


def is_video_option(option: Option) -> bool:
    """Whether an output option affects video only."""
    kind = _kind(option)
    return kind in {"", "v"} and (
        option.name in _VIDEO_OPTIONS or (option.name in _VIDEO_OPTIONS_IF_SPECIFIED and kind == "v")
    )


def _is_container_option(option: Option) -> bool:
    """Whether an output option is for other streams, metadata or the muxer."""
    name, is_other = option.name, _kind(option) in {"a", "s", "t", "d"}
    return name in _CONTAINER_OPTIONS or name in GLOBALS or is_other or option.key == "c"


def pinned_options(codec: str) -> list[str]:
    """Options that make an encoder's output independent of the number of cores."""
    return _ENCODERS[codec][1].split()


def preroll_frames(command: Command, split: SplitCommand) -> int | None:
    """Frames before the wanted one at which a decoder must start; None if it must start at the beginning."""
    nodes = [node for _, _, node in split.cut.before.nodes()]
    is_plain = not any(option.name == "filter_complex" for option in command.options())
    source = command.inputs[split.source]
    if not is_plain or any(source.has(name) for name in ("stream_loop", "sseof", "re", "r", "framerate", "loop")):
        return None
    if not all(_is_steady(node) or node.name in _SHORT_MEMORY_FILTERS for node in nodes):
        return None
    return sum(_SHORT_MEMORY_FILTERS.get(node.name, 0) for node in nodes)
