"""Files that a command writes: what is refused beforehand, the name until they are whole, and the final name.

A file is written beside its final place and renamed at the end. What is no single file (a device, a pipe, a protocol,
a playlist with its segments) FFmpeg writes as it would alone.
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

PART = ".adcvsr-part"
_LONGEST_NAME = 255  # bytes
_LONGEST_SUFFIX = 32  # bytes
_STANDARD = re.compile(r"/dev/(std(in|out|err)|fd/\d+)$|/proc/")
_BRANCH = re.compile(r"(?:\\.|[^\\|])+")
_PLAYLISTS = {"hls", "m3u8"}


class OutputError(UsageError):
    """An output that FFmpeg would refuse, or that would destroy an input; `number` is the matching errno."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number

    def status(self, version: tuple[int, int]) -> int:
        """The exit status of an FFmpeg with that version of libavutil: since 6.1 the low byte of its error's number."""
        return -self.number & 0xFF if version >= (58, 29) and self.number != errno.EEXIST else 1


def part_of(output: File) -> str | None:
    """The path that an output is written to until it is whole; None for what is no single file."""
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
    return str(path.with_name(_part_name(path, suffix)))


def _part_name(path: Path, suffix: str) -> str:
    """A name for a file until it is whole, with the suffix that tells its format, short enough for any folder."""
    stem = path.name.removesuffix(suffix)
    if len(os.fsencode(suffix)) > _LONGEST_SUFFIX:
        stem, suffix = path.name, ""
    name = f"{stem}{PART}{suffix}"
    if len(os.fsencode(name)) <= _longest_name(path.parent):
        return name
    mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return f"{mark}{PART}{suffix}"


def _longest_name(folder: Path) -> int:
    with suppress(OSError, ValueError, AttributeError):
        return min(_LONGEST_NAME, os.pathconf(folder, "PC_NAME_MAX"))
    return _LONGEST_NAME


def check(command: Command, *, overwrite: bool, also_read: Iterable[Path] = ()) -> None:
    """Raises OutputError for outputs that cannot be written, or that are files which the command reads."""
    if command.has("y") and command.has("n"):
        raise OutputError("-y and -n are both given; give one of them", errno.EINVAL)
    _check_sources(command, also_read)
    for file in command.outputs:
        _check_place(file, overwrite=overwrite)
    _check_different(command.outputs)


def check_apart(command: Command) -> None:
    """Raises OutputError for outputs that are files which the command reads, or that are the same file."""
    _check_sources(command)
    _check_different(command.outputs)


def _check_sources(command: Command, also_read: Iterable[Path] = ()) -> None:
    read = {identity(path): path for path in (*input_files.files(command), *also_read)}
    read.pop(None, None)
    for file in command.outputs:
        for url in _written(file):
            path = urls.path(url)
            if path is not None:
                _check_not_read(path, read)
        if (part := part_of(file)) and identity(Path(part)) in read:
            raise OutputError(
                f"input {part!r} has the name that output {file.url!r} has until it is whole; give either another one",
                errno.EINVAL,
            )


def _check_not_read(path: Path, read: dict[tuple[int, int] | None, Path]) -> None:
    pattern = re.compile(r"\d+".join(re.escape(part) for part in input_files.SEQUENCE_NUMBER.split(path.name)))
    members = [path.with_name(one.name) for one in read.values() if pattern.fullmatch(one.name)]
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
    try:
        found = path.stat()
    except FileNotFoundError:
        _check_folder(path)
        return
    except OSError as error:
        raise OutputError(f"output {name} cannot be written: {error.strerror}", error.errno or errno.EINVAL) from None
    if stat.S_ISDIR(found.st_mode):
        raise OutputError(f"output {name} is a folder; give the name of a file", errno.EISDIR)
    if not containers.is_one_file(file):
        return
    if not overwrite:
        raise OutputError(f"output {name} already exists; give another name, or -y to overwrite it", errno.EEXIST)
    if not stat.S_ISREG(found.st_mode):
        return
    if not found.st_mode & 0o222 or not os.access(path, os.W_OK):  # the superuser passes the second
        raise OutputError(f"output {name} is write-protected; give another name, or chmod +w it", errno.EACCES)
    _check_folder(path)


def _check_folder(path: Path) -> None:
    """The folder of a file, where another one will be until it is whole."""
    folder = Path(os.path.realpath(path)).parent
    if not folder.exists():
        raise OutputError(f"output {str(path)!r} is in a folder that does not exist; make it first", errno.ENOENT)
    if not folder.is_dir():
        raise OutputError(f"output {str(path)!r} is not in a folder, but in a file", errno.ENOTDIR)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"output {str(path)!r} is in a folder without permission to write", errno.EACCES)


def _check_different(files: Sequence[File]) -> None:
    """Raises OutputError where one file is written twice."""
    seen = dict[object, str]()
    for file in files:
        for url in _written(file):
            path = urls.path(url)
            if path is None or (path.exists() and not path.is_file()) or file.last("f") == "null":
                continue
            key = identity(path) or os.path.realpath(path)
            if key in seen:
                raise OutputError(
                    f"outputs {seen[key]!r} and {url!r} are the same file; give each its own", errno.EINVAL
                )
            seen[key] = url


def _written(file: File) -> Iterator[str]:
    """The URLs of an output: those of its branches for `tee`, and the segments of a playlist."""
    form = containers.form(file)
    if form == "tee":
        for branch in _BRANCH.findall(file.url):
            yield re.sub(r"^\s*\[[^\]]*\]", "", branch).strip()
        return
    yield file.url
    if form in _PLAYLISTS:
        yield file.last("hls_segment_filename") or f"{file.url.rpartition('.')[0]}%d.ts"


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a regular file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


@contextmanager
def claimed(command: Command) -> Iterator[None]:
    """Keeps other runs from the files that outputs are written to until they are whole, for as long as it is entered.

    They are there from the start, empty, instead of what an earlier run left; where a file is to be overwritten, with
    its mode. Raises OutputError where another run writes one.
    """
    with ExitStack() as held:
        for file in command.outputs:
            if (part := part_of(file)) is not None:
                before = file.path.stat() if file.path.exists() else None
                try:
                    held.enter_context(file_lock.created(Path(part), 0o666 if before is None else 0o600))
                except file_lock.BusyError:
                    raise OutputError(
                        f"output {file.url!r} is being written by another run; wait for it, or give another name",
                        errno.EBUSY,
                    ) from None
                if before is not None:
                    _make_alike(Path(part), before)
        yield


def overwriting(words: Sequence[str]) -> list[str]:
    """The encoder's command, which has to write to files that are there: `check` has refused all others."""
    command = parse(words)
    return ["-y", *Command(tuple(file.without(_asks) for file in command.files), command.rest).words()]


def _asks(option: Option) -> bool:
    return option.name in {"y", "n"}


def publish(file: File) -> None:
    """Gives a whole file its final name; through links, with the mode and owner of the file that it replaces."""
    part = part_of(file)
    if part is None or not Path(part).exists():
        return
    _flush(part)
    final = Path(os.path.realpath(file.path))
    before = final.stat() if final.exists() else None
    if before is not None and (before.st_nlink > 1 or not _make_alike(Path(part), before)):
        shutil.copyfile(part, final)  # its other names, and its owner, stay
        Path(part).unlink()
    else:
        Path(part).replace(final)


def begun(command: Command) -> list[str]:
    """The paths of unfinished outputs that hold something; the others are removed."""
    parts = [part for file in command.outputs if (part := part_of(file)) and Path(part).exists()]
    for part in parts:
        if not Path(part).stat().st_size:
            Path(part).unlink()
    return [part for part in parts if Path(part).exists()]


def discard(command: Command) -> None:
    """Removes what is not whole."""
    for file in command.outputs:
        if (part := part_of(file)) is not None:
            with suppress(OSError):
                Path(part).unlink(missing_ok=True)


def _make_alike(part: Path, before: os.stat_result) -> bool:
    """Whether mode and owner of a file could be made those of another."""
    try:
        now = part.stat()
        if hasattr(os, "chown") and (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
            os.chown(part, before.st_uid, before.st_gid)
        part.chmod(stat.S_IMODE(before.st_mode))
    except OSError:
        return False
    return True


def _flush(path: str) -> None:
    """Waits until a file is on its disk. Raises OSError where that is full, or fails."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)
