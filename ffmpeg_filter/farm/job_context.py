"""All that a machine has to know of a planned command beside the frames, and what it checks before it works on it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vsadcvsr
from ffmpeg_filter.command import urls
from ffmpeg_filter.command.argv import Command, parse
from ffmpeg_filter.command.filter_options import Options
from ffmpeg_filter.farm import frame_index
from ffmpeg_filter.farm.division import Mode
from ffmpeg_filter.farm.frame_index import Index
from ffmpeg_filter.media.binary import Binary, find
from ffmpeg_filter.media.matroska import NO_SIDE_DATA
from ffmpeg_filter.media.probe import Input, probe
from ffmpeg_filter.transcode import stream_side_data
from ffmpeg_filter.transcode.encode_command import Start
from ffmpeg_filter.transcode.frame_writer import StreamInfo
from ffmpeg_filter.transcode.split import Plan, plan
from vsadcvsr import backends, calibration
from vsadcvsr.errors import FarmError, UsageError
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job
from vsadcvsr.weights import store

_NO_PART = {"bench", "evaluate", "train"}
"""Packages in vsadcvsr without which every picture is made."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How chunks are made. `shift` is what the source's own times have more than the index's, in ticks, and `run_up`
    the frames before a chunk with which a decoder has to begin; None for both where it must begin with the film.
    """

    mode: Mode
    why: str
    pixels: str
    """The pixel format before and behind the engine."""
    index: str
    """The SHA-256 of the index of frames."""
    filters: Sequence[str]
    options: Sequence[str]
    reading: Sequence[str]
    begin: str
    tick: str
    rate: str
    """Frames a second in front of adcvsr, empty if they are not known."""
    shift: int | None
    run_up: int | None
    said: Sequence[Any] = NO_SIDE_DATA
    """Side data that the pipe to the encoder states, as JSON has them."""

    def info(self, plan: Plan) -> StreamInfo:
        """What holds for all pictures of the film."""
        info = plan.info(Fraction(self.tick), Fraction(self.rate) if self.rate else None, Fraction(self.begin))
        return replace(info, said=stream_side_data.read(self.said))

    def start(self, plan: Plan) -> Start:
        """What the first frame of the film told."""
        origin = self.info(plan).origin
        return Start(list(self.filters), list(self.options), list(self.reading), origin, Fraction(self.begin))

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


def request(words: Sequence[str], binary: Binary, options: Options, seconds: Fraction) -> dict[str, object]:
    """What is asked for, and with what: where one of these differs, so may the bits."""
    return {
        "command": list(words),
        "folder": str(Path.cwd()),
        "chunk length": str(seconds),
        "vsadcvsr": f"{vsadcvsr.__version__} {code_sum()}",
        "vapoursynth": version("vapoursynth"),
        "ffmpeg": build(binary.path),
        "model": model_sum(options),
    }


@lru_cache(maxsize=8)
def build(path: str) -> str:
    """Which build of FFmpeg a program is, in its own words."""
    told = subprocess.run([path, "-version"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    lines = told.stdout.splitlines()
    parts = hashlib.sha256("\n".join(lines[1:]).encode()).hexdigest()[:12]
    return f"{lines[0].partition(' Copyright')[0]} {parts}"


@cache
def code_sum() -> str:
    """A checksum of the modules that have a part in pictures: two commits of one version differ in it."""
    digest = hashlib.sha256()
    for folder in (Path(vsadcvsr.__file__).parent, Path(__file__).parents[1]):
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder.parent)
            if name.parts[1] not in _NO_PART:
                content = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{name.as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def model_sum(options: Options) -> str:
    """The SHA-256 of the model's file, of its restoring weights if they count, and of its ranges for int8 if there are
    any; the name of one that is built in.
    """
    paths = [store.find(options.model, backends.suffixes(options.backend))]
    if options.denoise:
        paths.append(store.restoring(options.model))
    if (ranges := calibration.beside(paths[0])).is_file():
        paths.append(ranges)
    return " ".join(store.checksum(path) if path.suffix else str(path) for path in paths)


class Kitchen:
    """A job on this machine: the commands made again, the index read. Raises ChangedError where this machine, or what
    is on it, is not what was planned with.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.recipe = Recipe(**job.recipe)  # type: ignore[arg-type]  # as `plain` made it
        self.binary = find()
        words = job.request["command"]
        assert isinstance(words, list), "as `request` made it"
        self.command: Command = parse(words)
        job.check_sources()
        self.inputs: list[Input] = [probe(file) for file in self.command.inputs]
        made = plan(self.command, self.inputs, version=self.binary.version, alone=True)
        assert made is not None, "it was planned with adcvsr in it"
        self.plan: Plan = made
        self._check(words)

    def _check(self, words: Sequence[str]) -> None:
        now = request(words, self.binary, self.plan.options, Fraction(str(self.job.request["chunk length"])))
        now["folder"] = self.job.request["folder"]
        for name, value in now.items():
            if value != self.job.request.get(name):
                raise ChangedError(
                    f"{name} is {value} on this machine, the job was planned with {self.job.request.get(name)}; use "
                    "the same on all machines"
                )

    @cached_property
    def index(self) -> Index:
        return frame_index.read(self.job.folder / frame_index.name(self.recipe.index), self.recipe.index)

    @cached_property
    def encoder(self) -> list[str]:
        """The second command of a single run."""
        return self.plan.encoder(self.recipe.start(self.plan))

    @property
    def info(self) -> StreamInfo:
        """What a single run tells the encoder of all pictures."""
        return self.recipe.info(self.plan)

    @cached_property
    def encoded(self) -> Index:
        """The index as the frames come to the encoder of a single run, which rounds times to the rate."""
        return frame_index.encoded(self.index, self.info.sent_rate)


def enter(request: Mapping[str, object]) -> None:
    """Goes to the folder that the command was written in, for the names in it. Raises FarmError."""
    folder = str(request["folder"])
    try:
        os.chdir(folder)
    except OSError as error:
        raise FarmError(f"the folder of the command, {folder}, is not on this machine: {error.strerror}") from error


def check_inputs(command: Command) -> None:
    """Raises UsageError for inputs that other machines cannot read."""
    for file in command.inputs:
        if file.last("f") == "lavfi" or not file.path.is_file():
            raise UsageError.of("input", file.url, "a file, since several machines read it")


def check_outputs(command: Command, binary: Binary) -> None:
    """Raises UsageError for outputs of which FFmpeg will say at the merge that it knows no such protocol."""
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
    """What a program can write to."""
    told = subprocess.run(
        [path, "-hide_banner", "-protocols"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return frozenset(told.stdout.partition("Output:")[2].split())
