"""FFmpeg command lines as typed values, and back. Pure; unknown options stay verbatim and in order.

An FFmpeg option applies to the next file: an input if that follows `-i`, else an output. Global options may stand
anywhere. All options take one value, except those in `FLAGS`.
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
_QUERIES = (
    "version L license buildconf formats muxers demuxers devices codecs decoders encoders bsfs protocols filters "
    "pix_fmts layouts sample_fmts dispositions colors hwaccels"
)
FLAGS = frozenset(
    [*_SWITCHES.split(), *(f"no{name}" for name in _SWITCHES.split() if name not in {"y", "n"}), *_QUERIES.split()]
)
"""Options without a value, verified with FFmpeg 5.1 and 9.0, whose help text is not reliable in this."""
_FORMERLY_VALUED = {"autorotate", "autoscale"}
"""Flags that took 0 or 1 up to FFmpeg 5.1, and still do in old scripts."""

_GLOBAL = (
    "y n nostdin stdin hide_banner loglevel v report stats nostats stats_period progress debug_ts benchmark "
    "benchmark_all cpuflags cpucount max_alloc filter_complex lavfi filter_complex_script filter_threads "
    "filter_complex_threads copyts start_at_zero copytb dts_delta_threshold dts_error_threshold xerror abort_on "
    "max_error_rate vsync timelimit dump hex init_hw_device filter_hw_device sdp_file copy_unknown ignore_unknown "
    "vstats vstats_file vstats_version auto_conversion_filters print_graphs print_graphs_file print_graphs_format "
    "adcvsr_dry_run adcvsr_metadata adcvsr_on_corrupt"
)
FARM_OPTIONS = (
    "farm", "farm_chunk", "farm_cpus", "farm_folder", "farm_gpus", "farm_intermediate", "farm_keep", "farm_progress",
    "farm_report", "farm_workers",
)  # fmt: skip
ADCVSR_OPTIONS = frozenset({"adcvsr_dry_run", "adcvsr_metadata", "adcvsr_on_corrupt", *FARM_OPTIONS})
"""Options that FFmpeg does not know."""
GLOBALS = frozenset([*_GLOBAL.split(), *FARM_OPTIONS])

HELP_OPTIONS = {"-h", "-help", "--help", "-?"}
"""They ask for help, of FFmpeg itself if an argument follows."""
_ALIASES = {
    "vf": "filter:v", "af": "filter:a", "vcodec": "c:v", "acodec": "c:a", "scodec": "c:s", "codec": "c",
    "dcodec": "c:d", "lavfi": "filter_complex", "v": "loglevel", "vframes": "frames:v", "aframes": "frames:a",
    "dframes": "frames:d", "vbsf": "bsf:v", "absf": "bsf:a",
}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """One option as given."""

    token: str
    """The option as typed, such as `-c:v`."""
    value: str | None = None
    """None for a flag, or if the command ends here."""

    @property
    def key(self) -> str:
        """The normalised name with its specifier: `c:v` for `-vcodec` and `-codec:v`."""
        name, colon, specifier = self.token.removeprefix("-").partition(":")
        return _ALIASES.get(name + colon + specifier, _ALIASES.get(name, name) + colon + specifier)

    @property
    def name(self) -> str:
        """The key without its stream specifier."""
        return self.key.partition(":")[0]

    @property
    def specifier(self) -> str:
        return self.key.partition(":")[2]

    def args(self) -> list[str]:
        return [self.token] if self.value is None else [self.token, self.value]


@dataclass(frozen=True)
class File:
    """An input or output with the options before it."""

    options: tuple[Option, ...]
    url: str
    is_input: bool
    is_decoder: bool = False
    """Whether it is neither, but a loopback decoder (`-dec`), whose URL is a stream of an output, such as "0:0"."""

    @property
    def is_output(self) -> bool:
        return not self.is_input and not self.is_decoder

    @property
    def path(self) -> Path:
        """The path, if the URL is a file."""
        return path_of(self.url)

    def args(self) -> list[str]:
        opening = ["-i"] if self.is_input else ["-dec"] if self.is_decoder else []
        return [*_flat(self.options), *opening, self.url]

    def last(self, key: str) -> str | None:
        """The value of the last option with that key."""
        return next((option.value for option in reversed(self.options) if option.key == key), None)

    def has(self, name: str) -> bool:
        return any(option.name == name for option in self.options)

    def without(self, unwanted: Callable[[Option], bool]) -> File:
        return replace(self, options=tuple(option for option in self.options if not unwanted(option)))


def path_of(url: str) -> Path:
    """The path of a URL; a `file:` prefix is removed."""
    return urls.path(url) or Path(url)


@dataclass(frozen=True)
class Command:
    """A command line without the program's name."""

    files: tuple[File, ...]
    """Inputs, outputs and loopback decoders, in order."""
    trailing: tuple[Option, ...] = ()
    """Options after the last file."""

    @property
    def inputs(self) -> list[File]:
        return [file for file in self.files if file.is_input]

    @property
    def outputs(self) -> list[File]:
        return [file for file in self.files if file.is_output]

    def options(self) -> Iterator[Option]:
        """All options, in order."""
        for file in self.files:
            yield from file.options
        yield from self.trailing

    def globals(self) -> list[Option]:
        """Options that apply to no particular file."""
        return [option for option in self.options() if option.name in GLOBALS or option.key in GLOBALS]

    def has(self, name: str) -> bool:
        return any(option.name == name for option in self.options())

    def value(self, name: str) -> str | None:
        """The value of the last global option of that name."""
        return next((option.value for option in reversed(self.globals()) if option.name == name), None)

    def args(self) -> list[str]:
        """The command as arguments."""
        return [arg for file in self.files for arg in file.args()] + _flat(self.trailing)


def parse(args: Sequence[str]) -> Command:
    """Parses any argument list; `Command.args` returns the same arguments."""
    files: list[File] = []
    options: list[Option] = []
    left = deque(args)
    while left:
        arg = left.popleft()
        if arg in {"-i", "-dec", "--"} and left:
            options += [Option(arg)] if arg == "--" else []
            files.append(File(tuple(options), left.popleft(), is_input=arg == "-i", is_decoder=arg == "-dec"))
            options = []
        elif not arg.startswith("-") or arg == "-":
            files.append(File(tuple(options), arg, is_input=False))
            options = []
        else:
            options.append(Option(arg, _value(arg, left)))
    return Command(tuple(files), tuple(options))


def _value(token: str, remaining: deque[str]) -> str | None:
    """The value of an option, taken from the remaining arguments."""
    name = token.removeprefix("-").partition(":")[0]
    is_flag = name in FLAGS and not (name in _FORMERLY_VALUED and remaining and remaining[0] in {"0", "1"})
    return None if is_flag or not remaining else remaining.popleft()


def _flat(options: Iterable[Option]) -> list[str]:
    return [arg for option in options for arg in option.args()]
