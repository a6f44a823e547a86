"""How the work of a command can be divided: what may be encoded chunk by chunk, and where a decoder may begin. Pure.

Everything that is not known to be harmless counts as harmful: the ways for such commands are slower, and as exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ffmpeg_filter.command import containers, filtergraph
from ffmpeg_filter.command.argv import GLOBALS, Command, File, Option
from ffmpeg_filter.media.probe import Input
from ffmpeg_filter.transcode.split import Plan
from vsadcvsr.errors import UsageError

type Mode = Literal["direct", "lossless"]
"""Chunks in the user's own encoding, joined as they are; or kept without loss and encoded at the end, once."""

_LOCAL = {
    "colorchannelmixer", "colorlevels", "colormatrix", "colorspace", "copy", "crop", "curves", "eq", "format",
    "gradfun", "hflip", "hue", "lut", "lut3d", "lutrgb", "lutyuv", "negate", "noformat", "null", "pad", "scale",
    "setdar", "setparams", "setrange", "setsar", "sidedata", "tonemap", "transpose", "unsharp", "vflip", "zscale",
}  # fmt: skip
"""Filters that make each picture of one frame alone, unless there is time or number among their values."""
_OF_TIME = re.compile(r"\b(n|t|pts|pos|random)\b")
_SHORT = {"bwdif": 8, "yadif": 8, "w3fdif": 8, "estdif": 8}
"""Filters that look at neighbours, and the frames after which they have forgotten where they began."""

_ANY = ("m4v", "matroska", "mkv", "mov", "mp4")
_MATROSKA = ("matroska", "mkv")
_ENCODERS = {
    "ffv1": (_MATROSKA, "-threads 4 -slices 4"),
    "libsvtav1": (("m4v", "matroska", "mkv", "mp4"), ""),
    "libx264": (_ANY, "-threads 4"),
    "libx264rgb": (_ANY, "-threads 4"),
    "libx265": (_ANY, "-x265-params frame-threads=2"),
    "prores": (("matroska", "mkv", "mov"), ""),
    "prores_aw": (("matroska", "mkv", "mov"), ""),
    "prores_ks": (("matroska", "mkv", "mov"), ""),
}
"""Encoders of constant quality whose streams can be put one behind the other: the containers in which that was tried,
and what makes the bits independent of the machine's number of cores.
"""

_VIDEO = {
    "alpha_bits", "alpha_quality", "aq-mode", "aq-strength", "b-pyramid", "b_strategy", "bf", "bits_per_mb",
    "bits_per_raw_sample", "chroma_sample_location", "chromaoffset", "coder", "color_primaries", "color_range",
    "color_trc", "colorspace", "context", "crf", "deblock", "direct-pred", "enc_time_base", "field_order", "fps_mode",
    "g", "keyint_min", "level", "mbtree", "me_method", "me_range", "mixed-refs", "motion-est", "partitions", "pix_fmt",
    "pred", "preset", "psy", "psy-rd", "qblur", "qcomp", "qdiff", "qmax", "qmin", "qp", "quant_mat", "rc-lookahead",
    "refs", "sc_threshold", "slicecrc", "slices", "subq", "svtav1-params", "sws_flags", "threads", "trellis", "tune",
    "vendor", "weightb", "weightp", "x264-params", "x264opts", "x265-params",
}  # fmt: skip
"""Options of an output that make its pictures, and nothing else."""
_VIDEO_IF_NAMED = {"c", "filter", "profile", "q", "qscale"}
"""Options that do so with `:v` behind their name."""
_WHOLE = {"b", "maxrate", "minrate", "bufsize", "pass", "passlogfile", "rc_init_occupancy"}
_WHOLE_IN_LISTS = re.compile(
    r"(?:^|:)\s*(bitrate|abr|tbr|mbr|vbv[\w-]*|pass|stats|rc|zones|zonefile|keyframes|qpfile|force-key[\w-]*|analysis[\w-]*"
    r"|threads|lookahead-threads|sliced-threads|stitchable)=", re.IGNORECASE
)  # fmt: skip
"""Options whose meaning is that of a whole film, and those inside lists of an encoder's own."""
_BESIDE = {
    "ac", "an", "ar", "attach", "brand", "disposition", "dn", "f", "map", "map_chapters", "map_metadata",
    "max_muxing_queue_size", "metadata", "movflags", "sample_fmt", "sn", "tag",
}  # fmt: skip
"""Options that say what is beside the pictures, or how all is put into a file."""


@dataclass(frozen=True)
class Division:
    """The mode, and in words what keeps a command from the direct one."""

    mode: Mode
    why: str = ""


def divided(command: Command, plan: Plan, inputs: Sequence[Input], asked: str | None) -> Division:
    """How the work of a command is divided. `asked` is the value of -farm_intermediate.

    Raises UsageError where that is `none` and the pictures cannot be encoded chunk by chunk.
    """
    if asked not in {None, "auto", "ffv1", "none"}:
        raise UsageError.of("-farm_intermediate", asked, "auto, ffv1 (chunks without loss), none (as encoded)")
    if asked == "ffv1":
        return Division("lossless", "-farm_intermediate ffv1")
    why = next(_obstacles(command, plan, inputs), "")
    if why and asked == "none":
        raise UsageError(
            f"chunks cannot be encoded by themselves: {why}; leave -farm_intermediate out, and chunks are kept without "
            "loss and encoded as one film at the merge"
        )
    return Division("lossless" if why else "direct", why)


def _obstacles(command: Command, plan: Plan, inputs: Sequence[Input]) -> Iterator[str]:
    """What would make pictures that were encoded in chunks differ from those of a film, in words."""
    output = plan.output
    if len(command.outputs) > 1:
        yield "there are several outputs"
    if any(option.name == "filter_complex" for option in command.options()):
        yield "-filter_complex may look at other frames and inputs"
    if plan.codec not in _ENCODERS:
        yield f"encoder {plan.codec or 'by default'} is none of {', '.join(_ENCODERS)}"
    elif plan.part is None or containers.form(output) not in _ENCODERS[plan.codec][0]:
        yield f"{output.url} is no file of {', '.join(_ENCODERS[plan.codec][0])}"
    if not plan.keeps_times:
        yield "timestamps are changed behind adcvsr"
    graph = filtergraph.cut(filtergraph.parse(_graph(output)))
    if graph and (name := _first_unsteady(graph.after)):
        yield f"{name} may depend on other frames or on time"
    if _videos(output, inputs) > 1:
        yield "there are several video streams"
    yield from _whole(output.options)


def _whole(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        if option.name in _WHOLE and _kind(option) in {"", "v"}:
            yield f"{option.word} {option.value} must see the whole film"
        elif option.name.endswith(("-params", "opts")) and (found := _WHOLE_IN_LISTS.search(option.value or "")):
            yield f"{found[1]} in {option.word} must see the whole film"
        elif not (is_of_video(option) or _is_beside(option)):
            yield f"{option.word} may need to see the whole film"


def _kind(option: Option) -> str:
    """The kind of streams that an option is for, as one small letter; empty for all of them."""
    return option.specifier.partition(":")[0].lower()


def _graph(output: File) -> str:
    return next((one.value or "" for one in output.options if filtergraph.mentions(one.value)), "null")


def _first_unsteady(graph: filtergraph.Graph) -> str:
    return next((node.name for _, _, node in graph.nodes() if not _is_steady(node)), "")


def _is_steady(node: filtergraph.Node) -> bool:
    values = (field.partition("=")[2] or field for field in filtergraph.fields(node.arguments))
    return node.name in _LOCAL and not any(_OF_TIME.search(value) for value in values)


def _videos(output: File, inputs: Sequence[Input]) -> int:
    """The most video streams that an output may have."""
    maps = [one.value or "" for one in output.options if one.name == "map"]
    kinds = [value.partition(":")[2] for value in maps]
    if not maps or all(kind.startswith(("a", "s", "t", "d", "v:0", "V:0", "V")) for kind in kinds):
        return 1
    return max(sum(len(one.of_kind("video")) for one in inputs), 1)


def is_of_video(option: Option) -> bool:
    """Whether an option of an output makes its pictures and nothing else."""
    kind = _kind(option)
    return kind in {"", "v"} and (option.name in _VIDEO or (option.name in _VIDEO_IF_NAMED and kind == "v"))


def _is_beside(option: Option) -> bool:
    """Whether an option of an output says what is beside the pictures, or how all is put into a file."""
    name, is_other = option.name, _kind(option) in {"a", "s", "t", "d"}
    return name in _BESIDE or name in GLOBALS or is_other or option.key == "c"


def pins(codec: str) -> list[str]:
    """Options that make an encoder's bits independent of the machine's number of cores."""
    return _ENCODERS[codec][1].split()


def run_up(command: Command, plan: Plan) -> int | None:
    """How many frames before the first that is wanted a decoder may begin; None if it has to begin with the film."""
    graph = filtergraph.cut(filtergraph.parse(_graph(plan.output)))
    nodes = [node for _, _, node in graph.before.nodes()] if graph else []
    is_plain = not any(option.name == "filter_complex" for option in command.options())
    source = command.inputs[plan.source]
    if not is_plain or any(source.has(name) for name in ("stream_loop", "sseof", "re", "r", "framerate", "loop")):
        return None
    if not all(_is_steady(node) or node.name in _SHORT for node in nodes):
        return None
    return sum(_SHORT.get(node.name, 0) for node in nodes)
