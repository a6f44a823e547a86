"""Everything that a machine needs to work on a planned job, and the checks that it runs the same software and model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vsadcvsr
from ffmpeg_filter.command import urls
from ffmpeg_filter.command.argv import Command, parse
from ffmpeg_filter.command.filter_options import FilterOptions
from ffmpeg_filter.farm import frame_index
from ffmpeg_filter.farm.chunk_encoding import Mode
from ffmpeg_filter.farm.frame_index import FrameIndex
from ffmpeg_filter.media.binary import Binary, find_binary, printed
from ffmpeg_filter.media.matroska import NO_SIDE_DATA
from ffmpeg_filter.media.probe import InputInfo, probe
from ffmpeg_filter.transcode import stream_side_data
from ffmpeg_filter.transcode.encode_command import StartInfo
from ffmpeg_filter.transcode.frame_writer import StreamInfo
from ffmpeg_filter.transcode.split import SplitCommand, split_command
from vsadcvsr import backends, calibration, steady
from vsadcvsr.errors import FarmError, UsageError
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job
from vsadcvsr.spec import SCALES
from vsadcvsr.weights import store

_NOT_IN_FRAMES = {"bench", "evaluate", "train"}
"""Packages of vsadcvsr that do not affect output frames."""


@dataclass(frozen=True, kw_only=True)
class EncodeSpec:
    """How chunks are decoded and encoded; stored in the job file."""

    mode: Mode
    """See `chunk_encoding.Mode`."""
    reason: str
    """Why chunks are not encoded directly; empty if they are."""
    pixel_format: str
    """Pixel format before and after the engine."""
    index_checksum: str
    """SHA-256 of the frame index."""
    filters: Sequence[str]
    """Filters at the head of the encoder's graph."""
    options: Sequence[str]
    """Encoder options derived from the source, such as HDR metadata."""
    input_options: Sequence[str]
    """Input options of the pipe to the encoder."""
    start_time: str
    """Time of the first frame in seconds, as a fraction."""
    time_base: str
    """Seconds per tick before `adcvsr`, as a fraction."""
    rate: str
    """Frame rate before `adcvsr`, as a fraction; empty if unknown."""
    pts_shift: int | None
    """Source timestamp minus index timestamp, in ticks; None if decoding must start at the beginning."""
    preroll: int | None
    """Frames before a chunk at which decoding must start; None if it must start at the beginning."""
    side_data: Sequence[Any] = NO_SIDE_DATA
    """Side data stated in the pipe's header, as JSON stores it."""

    def stream_info(self, split: SplitCommand) -> StreamInfo:
        """Properties that all frames share."""
        info = split.stream_info(
            Fraction(self.time_base), Fraction(self.rate) if self.rate else None, Fraction(self.start_time)
        )
        return replace(info, side_data=stream_side_data.from_json(self.side_data))

    def start_info(self, split: SplitCommand) -> StartInfo:
        """What a run on one machine learns from the first frame."""
        origin = self.stream_info(split).origin
        return StartInfo(
            list(self.filters), list(self.options), list(self.input_options), origin, Fraction(self.start_time)
        )

    def to_json(self) -> dict[str, object]:
        """The fields, for a JSON file."""
        return asdict(self)


def job_request(args: Sequence[str], binary: Binary, options: FilterOptions, seconds: Fraction) -> dict[str, object]:
    """The command and everything that may affect its output bits: folder, versions, FFmpeg build, model."""
    return {
        "command": list(args),
        "folder": str(Path.cwd()),
        "chunk length": str(seconds),
        "vsadcvsr": f"{vsadcvsr.__version__} {code_checksum()}",
        "vapoursynth": version("vapoursynth"),
        "ffmpeg": ffmpeg_build(binary.path),
        "model": model_checksum(options),
        **({"opencv": steady.opencv_version()} if options.steady else {}),
    }


@lru_cache(maxsize=8)
def ffmpeg_build(path: str) -> str:
    """Version and build configuration hash of an FFmpeg program."""
    lines = printed(path, "-version").splitlines()
    parts = hashlib.sha256("\n".join(lines[1:]).encode()).hexdigest()[:12]
    return f"{lines[0].partition(' Copyright')[0]} {parts}"


@cache
def code_checksum() -> str:
    """Checksum of the modules, in Python and C, that affect output frames; it tells apart commits of one version."""
    digest = hashlib.sha256()
    for folder in (Path(vsadcvsr.__file__).parent, Path(__file__).parents[1]):
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.c")]):
            name = path.relative_to(folder.parent)
            if name.parts[1] not in _NOT_IN_FRAMES:
                content = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{name.as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def model_checksum(options: FilterOptions) -> str:
    """The SHA-256 of the model's file, of its restoring weights if they count, and of its ranges for int8 if there are
    any; the name of one that is built in.
    """
    is_exact = options.width or options.height  # so that the size of the frames decides which network suits
    paths: dict[Path, None] = {}
    for scale in SCALES if is_exact else (options.scale,):
        paths |= dict.fromkeys(_model_files(options, scale))
    return " ".join(store.checksum(path) if path.suffix else str(path) for path in paths)


def _model_files(options: FilterOptions, scale: int | None) -> Iterator[Path]:
    suffixes = backends.suffixes(options.backend)
    path = store.find(options.model, suffixes, scale=scale, restores=options.denoise > 0)
    yield path
    if options.denoise:
        yield store.restoring(options.model, suffixes, scale=scale)
    if (ranges := calibration.ranges_path(path)).is_file():
        yield ranges


class JobContext:
    """A job on this machine: commands rebuilt, index read. Raises ChangedError if this machine differs from the
    planning one in software, model or sources.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.spec = EncodeSpec(**job.recipe)  # type: ignore[arg-type]  # written by `to_json`
        self.binary = find_binary()
        args = job.request["command"]
        assert isinstance(args, list), "written by `job_request`"
        self.command: Command = parse(args)
        job.check_sources()
        self.inputs: list[InputInfo] = [probe(file) for file in self.command.inputs]
        split = split_command(self.command, self.inputs, version=self.binary.version, alone=True)
        assert split is not None, "it was planned with adcvsr in it"
        self.split: SplitCommand = split
        self._check(args)

    def _check(self, args: Sequence[str]) -> None:
        now = job_request(args, self.binary, self.split.filter_options, Fraction(str(self.job.request["chunk length"])))
        now["folder"] = self.job.request["folder"]
        for name, value in now.items():
            if value != self.job.request.get(name):
                raise ChangedError(
                    f"{name} is {value} on this machine, the job was planned with {self.job.request.get(name)}; use "
                    "the same on all machines"
                )

    @cached_property
    def index(self) -> FrameIndex:
        return frame_index.read(
            self.job.folder / frame_index.file_name(self.spec.index_checksum), self.spec.index_checksum
        )

    @cached_property
    def encoder_args(self) -> list[str]:
        """The encode command of a run on one machine."""
        return self.split.encoder_args(self.spec.start_info(self.split))

    @property
    def stream_info(self) -> StreamInfo:
        """Properties that all frames share."""
        return self.spec.stream_info(self.split)

    @cached_property
    def encoder_index(self) -> FrameIndex:
        """The index with timestamps as the encoder gets them, rounded to the frame rate."""
        return frame_index.rounded_to_rate(self.index, self.stream_info.pipe_rate)


def chdir_to_job(request: Mapping[str, object]) -> None:
    """Changes to the folder in which the command was given, since its paths may be relative. Raises FarmError."""
    folder = str(request["folder"])
    try:
        os.chdir(folder)
    except OSError as error:
        raise FarmError(f"the folder of the command, {folder}, is not on this machine: {error.strerror}") from error


def check_inputs(command: Command) -> None:
    """Raises UsageError for inputs that other machines cannot read."""
    for file in command.inputs:
        if file.last("f") == "lavfi" or not file.path.is_file():
            raise UsageError(f"input {file.url!r} is not a file, so other machines cannot read it; save it to one")


def check_outputs(command: Command, binary: Binary) -> None:
    """Raises UsageError for output protocols that this FFmpeg cannot write."""
    known = _protocols(binary.path)
    for file in command.outputs:
        name = urls.protocol(file.url)
        if name.partition("+")[0] not in known:
            raise UsageError(
                f"output {file.url!r} has the protocol {name!r}, to which this FFmpeg cannot write; a file of that "
                f"name is file:{file.url}"
            )


@lru_cache(maxsize=8)
def _protocols(path: str) -> frozenset[str]:
    """Output protocols of an FFmpeg program."""
    return frozenset(printed(path, "-hide_banner", "-protocols").partition("Output:")[2].split())
