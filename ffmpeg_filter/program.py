"""Entry point of `ffadcvsr`: commands without adcvsr run FFmpeg before anything slow is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ffmpeg_filter.command.argv import HELP_OPTIONS
from ffmpeg_filter.media.binary import find_binary
from ffmpeg_filter.media.process import INTERRUPTED, exec_program
from ffmpeg_filter.upscale.memory import limit_memory
from vsadcvsr.errors import AdcvsrError, one_line

_SUBCOMMANDS = {"y4m", "farm"}
_FAILURE = 1


def run() -> None:
    """The console script."""
    _open_closed_streams()
    args = sys.argv[1:]
    if is_plain(args):
        raise SystemExit(_exec_ffmpeg(args))
    limit_memory()
    try:
        from ffmpeg_filter.cli import main
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None

    raise SystemExit(main(args))


def is_plain(args: Sequence[str]) -> bool:
    """Whether a command cannot involve adcvsr; filter scripts would have to be read for that."""
    if not args or args[0] in _SUBCOMMANDS or (args[0] in HELP_OPTIONS and len(args) == 1):
        return False
    return not any("adcvsr" in arg or arg.startswith(("-/", "-farm")) or "_script" in arg for arg in args)


def _exec_ffmpeg(args: Sequence[str]) -> int:
    try:
        return exec_program([find_binary().path, *args])
    except (AdcvsrError, OSError) as error:
        sys.stderr.write(f"ffadcvsr: {one_line(error)}\n")
        return _FAILURE


def _open_closed_streams() -> None:
    """Opens /dev/null for closed standard streams, so that no other file gets their descriptors. Input and output then
    fail as with FFmpeg; messages are discarded.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
