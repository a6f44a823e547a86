"""An ffmpeg command line as a typed value, and back. Pure; what is not known stays verbatim and in order.

FFmpeg's options belong to the next file: to an input if that comes after `-i`, else to an output. Some are global and
may stand anywhere. All take one value but for those in `FLAGS`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ffmpeg_filter.command import urls

_SWITCHES = (
    "an vn sn dn re copyts start_at_zero copy_unknown ignore_unknown recast_media shortest bitexact accurate_seek "
    "find_stream_info autorotate autoscale xerror stats stdin hide_banner report debug_ts benchmark benchmark_all dump "
    "hex psnr qphist vstats intra force_fps copyinkf fix_sub_duration fix_sub_duration_heartbeat display_hflip "
    "display_vflip auto_conversion_filters print_graphs y n adcvsr_dry_run adcvsr_metadata farm_keep "
    "farm_report"
)
_QUESTIONS = (
    "version L license buildconf formats muxers demuxers devices codecs decoders encoders bsfs protocols filters "
    "pix_fmts layouts sample_fmts dispositions colors hwaccels"
)
FLAGS = frozenset(
    [*_SWITCHES.split(), *(f"no{name}" for name in _SWITCHES.split() if name not in {"y", "n"}), *_QUESTIONS.split()]
)
"""Options without a value, checked on FFmpeg 5.1 and 9.0: their help shows others so that do take one."""
_ONCE_VALUED = {"autorotate", "autoscale"}
"""Flags that took 0 or 1 up to FFmpeg 5.1, and do so in scripts of that time."""

_GLOBAL = (
    "y n nostdin stdin hide_banner loglevel v report stats nostats stats_period progress debug_ts benchmark "
    "benchmark_all cpuflags cpucount max_alloc filter_complex lavfi filter_complex_script filter_threads "
    "filter_complex_threads copyts start_at_zero copytb dts_delta_threshold dts_error_threshold xerror abort_on "
    "max_error_rate vsync timelimit dump hex init_hw_device filter_hw_device sdp_file copy_unknown ignore_unknown "
    "vstats vstats_file vstats_version auto_conversion_filters print_graphs print_graphs_file print_graphs_format "
    "adcvsr_dry_run adcvsr_metadata adcvsr_on_corrupt"
)
FARM = (
    "farm", "farm_chunk", "farm_cpus", "farm_folder", "farm_gpus", "farm_intermediate", "farm_keep", "farm_progress",
    "farm_report", "farm_workers",
)  # fmt: skip
OURS = frozenset({"adcvsr_dry_run", "adcvsr_metadata", "adcvsr_on_corrupt", *FARM})
"""Options that FFmpeg does not know."""
GLOBALS = frozenset([*_GLOBAL.split(), *FARM])

_ALIASES = {
    "vf": "filter:v", "af": "filter:a", "vcodec": "c:v", "acodec": "c:a", "scodec": "c:s", "codec": "c",
    "lavfi": "filter_complex", "v": "loglevel", "vframes": "frames:v", "aframes": "frames:a",
}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """One option as it was written: its word, and its value unless it is a flag or the command broke off."""

    word: str
    value: str | None = None

    @property
    def key(self) -> str:
        """What it is, without the dash and with one name for each thing: `c:v` for `-vcodec` and `-codec:v`."""
        name, colon, specifier = self.word.removeprefix("-").partition(":")
        return _ALIASES.get(name + colon + specifier, _ALIASES.get(name, name) + colon + specifier)

    @property
    def name(self) -> str:
        """The key without its stream specifier."""
        return self.key.partition(":")[0]

    @property
    def specifier(self) -> str:
        return self.key.partition(":")[2]

    def words(self) -> list[str]:
        return [self.word] if self.value is None else [self.word, self.value]


@dataclass(frozen=True)
class File:
    """An input or an output: the options before it, and where it is."""

    options: tuple[Option, ...]
    url: str
    is_input: bool

    @property
    def path(self) -> Path:
        """Where it is, if it is a file."""
        return path_of(self.url)

    def words(self) -> list[str]:
        return [*_flat(self.options), *(["-i", self.url] if self.is_input else [self.url])]

    def last(self, key: str) -> str | None:
        """The value of the last option that is written so."""
        return next((option.value for option in reversed(self.options) if option.key == key), None)

    def has(self, name: str) -> bool:
        return any(option.name == name for option in self.options)

    def without(self, unwanted: Callable[[Option], bool]) -> File:
        return replace(self, options=tuple(option for option in self.options if not unwanted(option)))


def path_of(url: str) -> Path:
    """The path of a file as FFmpeg names it, which may have `file:` before it."""
    return urls.path(url) or Path(url)


@dataclass(frozen=True)
class Command:
    """Everything after the program's name. `rest` are options that no file follows."""

    files: tuple[File, ...]
    rest: tuple[Option, ...] = ()

    @property
    def inputs(self) -> list[File]:
        return [file for file in self.files if file.is_input]

    @property
    def outputs(self) -> list[File]:
        return [file for file in self.files if not file.is_input]

    def options(self) -> Iterator[Option]:
        """All of them, in order."""
        for file in self.files:
            yield from file.options
        yield from self.rest

    def globals(self) -> list[Option]:
        """The options that belong to no file."""
        return [option for option in self.options() if option.name in GLOBALS or option.key in GLOBALS]

    def has(self, name: str) -> bool:
        return any(option.name == name for option in self.options())

    def value(self, name: str) -> str | None:
        """The value of the last global option of that name."""
        return next((option.value for option in reversed(self.globals()) if option.name == name), None)

    def words(self) -> list[str]:
        """The command line again."""
        return [word for file in self.files for word in file.words()] + _flat(self.rest)


def parse(words: Sequence[str]) -> Command:
    """The command of any words at all; `Command.words` gives the same words back."""
    files: list[File] = []
    options: list[Option] = []
    left = deque(words)
    while left:
        word = left.popleft()
        if word in {"-i", "--"} and left:
            options += [Option(word)] if word == "--" else []
            files.append(File(tuple(options), left.popleft(), is_input=word == "-i"))
            options = []
        elif not word.startswith("-") or word == "-":
            files.append(File(tuple(options), word, is_input=False))
            options = []
        else:
            options.append(Option(word, _value(word, left)))
    return Command(tuple(files), tuple(options))


def _value(word: str, left: deque[str]) -> str | None:
    """The value of an option, taken from the words that are left."""
    name = word.removeprefix("-").partition(":")[0]
    is_flag = name in FLAGS and not (name in _ONCE_VALUED and left and left[0] in {"0", "1"})
    return None if is_flag or not left else left.popleft()


def _flat(options: Iterable[Option]) -> list[str]:
    return [word for option in options for word in option.words()]
