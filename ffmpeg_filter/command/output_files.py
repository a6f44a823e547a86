"""Files that a command writes: checks, temporary names, and the final rename.

An output file is written under a temporary name in the same folder and renamed at the end. Anything else (a device,
pipe, protocol or playlist) is written by FFmpeg directly.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ffmpeg_filter.command import containers, file_lock, input_files, urls
from ffmpeg_filter.command.argv import Command, File, Option, parse
from vsadcvsr.errors import UsageError
from vsadcvsr.files import flush_to_disk

TEMPORARY_SUFFIX = ".adcvsr-part"
_MAX_NAME = 255  # bytes
_MAX_SUFFIX = 32  # bytes
_STANDARD = re.compile(r"/dev/(std(in|out|err)|fd/\d+)$|/proc/")
_BRANCH = re.compile(r"(?:\\.|[^\\|])+")
_PLAYLISTS = {"hls", "m3u8"}


class OutputError(UsageError):
    """An output that FFmpeg would refuse, or that would overwrite an input; `number` is the errno."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number

    def status(self, version: tuple[int, int]) -> int:
        """FFmpeg's exit status for the error: since 6.1 the low byte of its error code. `version` is libavutil's."""
        return -self.number & 0xFF if version >= (58, 29) and self.number != errno.EEXIST else 1


def temporary_path(output: File) -> str | None:
    """The temporary path of an output; None if it is not a single file."""
    path = urls.path(output.url)
    if path is None or not containers.is_one_file(output) or _STANDARD.match(str(path)):
        return None
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - names may be too long for Path
        return None  # a device, a named pipe, a folder
    if os.path.islink(path):  # noqa: PTH114
        path = Path(os.path.realpath(path))
    suffix = os.path.splitext(f"_{path.name}")[1]  # noqa: PTH122 - a name may begin with its only dot
    if not suffix and not output.last("f"):
        return None  # FFmpeg finds no format for it
    return str(path.with_name(_temporary_name(path, suffix)))


def _temporary_name(path: Path, suffix: str) -> str:
    """A temporary file name that keeps the format suffix and fits the file system."""
    stem = path.name.removesuffix(suffix)
    if len(os.fsencode(suffix)) > _MAX_SUFFIX:
        stem, suffix = path.name, ""
    return fitting_name(stem, TEMPORARY_SUFFIX + suffix, whole=path.name, max_bytes=_max_name(path.parent))


def fitting_name(stem: str, ending: str, *, whole: str, max_bytes: int = _MAX_NAME) -> str:
    """A file name of a stem and an ending; a hash of the `whole` name takes the place of the stem where a file system
    allows no name of that length.
    """
    if len(os.fsencode(stem + ending)) <= max_bytes:
        return stem + ending
    return hashlib.sha256(os.fsencode(whole)).hexdigest()[:16] + ending


def _max_name(folder: Path) -> int:
    with suppress(OSError, ValueError, AttributeError):
        return min(_MAX_NAME, os.pathconf(folder, "PC_NAME_MAX"))
    return _MAX_NAME


def check(command: Command, *, overwrite: bool, also_read: Iterable[Path] = ()) -> None:
    """Raises OutputError if an output cannot be written, is an input, or is given twice."""
    if command.has("y") and command.has("n"):
        raise OutputError("-y and -n are both given; give one of them", errno.EINVAL)
    _check_sources(command, also_read)
    for file in command.outputs:
        _check_place(file, overwrite=overwrite)
    _check_different(command.outputs)


def check_distinct(command: Command) -> None:
    """Raises OutputError if an output is an input, or is given twice."""
    _check_sources(command)
    _check_different(command.outputs)


def _check_sources(command: Command, also_read: Iterable[Path] = ()) -> None:
    read = {identity(path): path for path in (*input_files.files(command), *also_read)}
    read.pop(None, None)
    for file in command.outputs:
        for url in _output_urls(file):
            path = urls.path(url)
            if path is not None:
                _check_not_an_input(path, read)
        if (temporary := temporary_path(file)) and identity(Path(temporary)) in read:
            raise OutputError(
                f"input {temporary!r} has the name of the unfinished output {file.url!r}; rename one of them",
                errno.EINVAL,
            )


def _check_not_an_input(path: Path, read: dict[tuple[int, int] | None, Path]) -> None:
    pattern = re.compile(r"\d+".join(re.escape(part) for part in input_files.SEQUENCE_NUMBER.split(path.name)))
    members = [path.with_name(source.name) for source in read.values() if pattern.fullmatch(source.name)]
    for candidate in (path, *members):
        source = read.get(identity(candidate))
        if source is not None:
            raise OutputError(
                f"output {str(candidate)!r} is the same file as {str(source)!r}, which the command reads; write to "
                "another one, since files are not edited in place",
                errno.EINVAL,
            )


def _check_place(file: File, *, overwrite: bool) -> None:
    path = urls.path(file.url)
    if path is None or file.last("f") == "tee":
        return
    name = repr(str(path))
    if file.url.endswith(("/", os.sep)):
        raise OutputError(f"output {file.url!r} is a folder; give the name of a file", errno.EISDIR)
    try:
        status = path.stat()
    except FileNotFoundError:
        _check_folder(path)
        return
    except OSError as error:
        raise OutputError(f"output {name} cannot be written: {error.strerror}", error.errno or errno.EINVAL) from None
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(f"output {name} is a folder; give the name of a file", errno.EISDIR)
    if not containers.is_one_file(file):
        return
    if not overwrite:
        raise OutputError(f"output {name} already exists; give another name, or -y to overwrite it", errno.EEXIST)
    if not stat.S_ISREG(status.st_mode):
        return
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):  # the superuser passes the second
        raise OutputError(f"output {name} is write-protected; give another name, or chmod +w it", errno.EACCES)
    _check_folder(path)


def _check_folder(path: Path) -> None:
    """Checks the folder of an output, where the temporary file will be."""
    folder = Path(os.path.realpath(path)).parent
    if not folder.exists():
        raise OutputError(f"output {str(path)!r} is in a folder that does not exist; make it first", errno.ENOENT)
    if not folder.is_dir():
        raise OutputError(f"output {str(path)!r} is not in a folder, but in a file", errno.ENOTDIR)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"output {str(path)!r} is in a folder without permission to write", errno.EACCES)


def _check_different(files: Sequence[File]) -> None:
    """Raises OutputError if two outputs are the same file."""
    seen = dict[object, str]()
    for file in files:
        for url in _output_urls(file):
            path = urls.path(url)
            if path is None or (path.exists() and not path.is_file()) or file.last("f") == "null":
                continue
            key = identity(path) or os.path.realpath(path)
            if key in seen:
                raise OutputError(
                    f"outputs {seen[key]!r} and {url!r} are the same file; give each its own", errno.EINVAL
                )
            seen[key] = url


def _output_urls(file: File) -> Iterator[str]:
    """URLs that an output writes: branches of `tee`, segments of a playlist."""
    form = containers.muxer_of(file)
    if form == "tee":
        for branch in _BRANCH.findall(file.url):
            yield re.sub(r"^\s*\[[^\]]*\]", "", branch).strip()
        return
    yield file.url
    if form in _PLAYLISTS:
        yield file.last("hls_segment_filename") or f"{file.url.rpartition('.')[0]}%d.ts"


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a regular file; None for anything else."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


@contextmanager
def claim_outputs(command: Command) -> Iterator[None]:
    """Creates and locks the temporary files while entered, so that no other run writes them.

    They start empty, with the mode of the file to be replaced, if any. Raises OutputError if another run writes one.
    """
    with ExitStack() as claims:
        for file in command.outputs:
            if (temporary := temporary_path(file)) is not None:
                replaced = file.path.stat() if file.path.exists() else None
                try:
                    claims.enter_context(
                        file_lock.exclusive_file(Path(temporary), 0o666 if replaced is None else 0o600)
                    )
                except file_lock.BusyError:
                    raise OutputError(
                        f"output {file.url!r} is being written by another run; wait for it, or give another name",
                        errno.EBUSY,
                    ) from None
                if replaced is not None:
                    _copy_mode_and_owner(Path(temporary), replaced)
        yield


def with_overwrite(args: Sequence[str]) -> list[str]:
    """The encode command with `-y`, since the temporary files exist; `check` has refused all other overwriting."""
    command = parse(args)
    return [
        "-y",
        *Command(tuple(file.without(_is_overwrite_option) for file in command.files), command.trailing).args(),
    ]


def _is_overwrite_option(option: Option) -> bool:
    return option.name in {"y", "n"}


def publish(file: File) -> None:
    """Renames a finished output to its final name, through links, with the mode and owner of the file it replaces."""
    temporary = temporary_path(file)
    if temporary is None or not Path(temporary).exists():
        return
    flush_to_disk(Path(temporary))
    final = Path(os.path.realpath(file.path))
    replaced = final.stat() if final.exists() else None
    if replaced is not None and (replaced.st_nlink > 1 or not _copy_mode_and_owner(Path(temporary), replaced)):
        shutil.copyfile(temporary, final)  # keeps its hard links and its owner
        Path(temporary).unlink()
    else:
        Path(temporary).replace(final)


def unfinished_files(command: Command) -> list[str]:
    """Paths of non-empty temporary files; empty ones are removed."""
    paths = [path for file in command.outputs if (path := temporary_path(file)) and Path(path).exists()]
    for path in paths:
        if not Path(path).stat().st_size:
            Path(path).unlink()
    return [path for path in paths if Path(path).exists()]


def with_final_names(command: Command, message: str) -> str:
    """A message with the names of outputs in place of those of their temporary files."""
    for file in command.outputs:
        if (temporary := temporary_path(file)) is not None:
            message = message.replace(Path(temporary).name, file.path.name)
    return message


def discard(command: Command) -> None:
    """Removes temporary files."""
    for file in command.outputs:
        if (temporary := temporary_path(file)) is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def _copy_mode_and_owner(temporary: Path, original: os.stat_result) -> bool:
    """Whether mode and owner could be copied."""
    try:
        status = temporary.stat()
        if hasattr(os, "chown") and (status.st_uid, status.st_gid) != (original.st_uid, original.st_gid):
            os.chown(temporary, original.st_uid, original.st_gid)
        temporary.chmod(stat.S_IMODE(original.st_mode))
    except OSError:
        return False
    return True
