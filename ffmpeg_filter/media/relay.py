"""Inputs that can be read once: pipes, devices, sockets. We read them, and hand their bytes to both FFmpegs.

The command is changed to read `/dev/fd/N` in their place. In each child, that number is the end of a pipe of its own.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ffmpeg_filter.command import input_files, urls
from ffmpeg_filter.command.argv import Command, File, parse
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.process import Child
from ffmpeg_filter.media.spool import BLOCK, Reader, Spool
from vsadcvsr.errors import MediaError, UsageError

_CONNECTIONS = {
    "dtls", "rist", "rtmp", "rtmpe", "rtmps", "rtmpt", "sctp", "srt", "tcp", "tls", "udp", "udplite", "unix", "zmq",
}  # fmt: skip
"""Protocols that carry a stream of bytes which nobody sends again."""
_SERVERS = {"http", "https", *_CONNECTIONS}
_DEVICES = {
    "alsa", "bktr", "dv1394", "fbdev", "iec61883", "jack", "kmsgrab", "oss", "pulse", "sndio", "v4l2", "video4linux2",
    "x11grab", "xcbgrab",
}  # fmt: skip
"""Formats that are devices themselves, for which the bytes of a file are nothing."""
_OF_PROTOCOL = {
    "blocksize", "broadcast", "buffer_size", "connect", "cookies", "fifo_size", "headers", "http_proxy", "latency",
    "listen", "listen_timeout", "local_addr", "local_port", "localaddr", "localport", "method", "mode",
    "multiple_requests", "overrun_nonfatal", "passphrase", "pkt_size", "rcvbuf", "recv_buffer_size", "referer", "reuse",
    "reuse_socket", "rw_timeout", "send_buffer_size", "sources", "tcp_mss", "tcp_nodelay", "timeout", "ttl", "type",
    "user_agent",
}  # fmt: skip
"""Options of an input that belong to what carries its bytes."""
_NUMBER = re.compile(r"(?:pipe:|fd:)?(\d*)$")
_OWN = re.compile(r"/dev/(?:stdin|fd/\d+)$|/proc/self/fd/\d+$")
_UNUSED = 1 << 25
"""Bytes that are kept for a reader that needs no more than the head of a file."""


def is_read_once(file: File) -> bool:
    """Whether an input gives its bytes to one reader, once."""
    name = urls.protocol(file.url)
    if name in {"pipe", "fd"} or name in _CONNECTIONS:
        return True
    if name in _SERVERS and (file.last("listen") not in {None, "0"} or re.search(r"[?&]listen\b", file.url)):
        return True
    path = urls.path(file.url)
    if path is None or file.last("f") in _DEVICES:
        return False
    if _OWN.match(str(path)):
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


class Relay:
    """One such input. `number` is the file descriptor by which both FFmpegs read it."""

    def __init__(self, file: File, binary: Binary) -> None:
        self.url = file.url
        self._source: Child | None = None
        is_local = urls.protocol(file.url) in {"pipe", "fd", "file"}
        self._input = _opened(file) if is_local else self._connected(file, binary)
        self._spool = Spool(self._read)
        self.probing, self._decoding, self._encoding = (self._spool.reader() for _ in range(3))
        self._listing = self._spool.reader() if file.last("f") == "concat" else None
        self.number = os.open(os.devnull, os.O_RDONLY)

    @property
    def path(self) -> str:
        return f"/dev/fd/{self.number}"

    def _connected(self, file: File, binary: Binary) -> int:
        """The end of a pipe on which an FFmpeg writes the bytes of a connection as they come."""
        options = [word for one in file.options if one.name in _OF_PROTOCOL for word in one.words()]
        readable, writable = os.pipe()
        words = ["-hide_banner", "-nostats", "-loglevel", "level+error", "-nostdin", *options, "-f", "data"]
        words += ["-i", file.url, "-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "data", "pipe:1"]
        self._source = Child("source", [binary.path, *words], heard=lambda _: True, say=lambda _: None, stdout=writable)
        os.close(writable)
        return readable

    def _read(self, size: int) -> bytes:
        if self._input < 0:  # a named pipe is opened here, since that takes until somebody writes to it
            self._input = os.open(urls.path(self.url) or self.url, os.O_RDONLY)
        data = os.read(self._input, size)
        if not data and self._source is not None and (status := self._source.wait()):
            raise MediaError(f"{self._source.speech.reason()} (status {status})")
        return data

    @contextmanager
    def given(self, *, is_decoder: bool) -> Iterator[int]:
        """The descriptor, which a process that is started meanwhile inherits, with the bytes from the first on."""
        reader = self._decoding if is_decoder else self._encoding
        readable, writable = os.pipe()
        os.dup2(readable, self.number)
        os.close(readable)
        try:
            yield self.number
        finally:
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123
                os.dup2(nothing.fileno(), self.number, inheritable=False)
            threading.Thread(target=_feed, args=(reader, writable), name="to FFmpeg", daemon=True).start()

    def listed(self) -> Iterator[Path]:
        """The files that it names, if it is a list of such."""
        if self._listing is None:
            return
        text = b"".join(iter(self._listing.read, b""))
        self._listing.close()
        yield from input_files.members(text.decode(errors="surrogateescape"), Path())

    def keep_head_for_encoder(self) -> None:
        """For an encoder that takes no stream of this input, and so may never read it to the end."""
        self._encoding.most_behind = _UNUSED

    def check(self) -> None:
        """Raises what was its end, if that was a failure."""
        if self._spool.failure is not None:
            raise MediaError(f"input {self.url} cannot be read: {self._spool.failure}")

    def cut(self) -> None:
        """Ends the input here, for all who read it."""
        self._spool.close()

    def close(self) -> None:
        """Ends the input and whatever reads it for us."""
        self.cut()
        os.close(self.number)
        if self._source is not None:
            self._source.end()


def _feed(reader: Reader, writable: int) -> None:
    with suppress(BrokenPipeError, MediaError, OSError):
        while data := reader.read(BLOCK):
            view = memoryview(data)
            while view:
                view = view[os.write(writable, view) :]
    reader.close()
    os.close(writable)


def _opened(file: File) -> int:
    """A descriptor of what is open already; -1 for a path. Raises UsageError for a number that is not open."""
    if urls.protocol(file.url) == "file":
        return -1
    found = _NUMBER.match("" if file.url == "-" else file.url)
    number = int((found and found[1]) or file.last("fd") or 0)
    try:
        return os.dup(number)
    except OSError:
        raise UsageError(f"input {file.url} cannot be read: file descriptor {number} is not open") from None


class Relays:
    """All inputs of a command that can be read once, and the command that reads the relays in their place."""

    def __init__(self, command: Command, binary: Binary) -> None:
        self._relays: dict[int, Relay] = {}
        self.command = command = _with_real_paths(command)
        if sys.platform == "win32":
            return
        once = {number: file for number, file in enumerate(command.inputs) if is_read_once(file)}
        names = [file.url for file in once.values()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"input {twice} is given twice, but can be read once; save it to a file first")
        self._relays = {number: Relay(file, binary) for number, file in once.items()}
        self.command = _with_inputs(command, [self._replaced(*one) for one in enumerate(command.inputs)])

    def _replaced(self, number: int, file: File) -> File:
        if number not in self._relays:
            return file
        kept = file.without(lambda one: one.name in _OF_PROTOCOL or one.name == "fd")
        return replace(kept, url=self._relays[number].path)

    def original(self, text: str) -> str:
        """The text with the user's names for inputs in the place of those in the changed command."""
        for relay in self._relays.values():
            text = re.sub(rf"{relay.path}(?!\d)", lambda _: relay.url, text)  # noqa: B023 - called at once
        return text

    def probing(self, number: int) -> Reader | None:
        """What an input is looked into with; None for one that can be opened."""
        relay = self._relays.get(number)
        return relay.probing if relay else None

    def spare(self, encoder: Sequence[str]) -> None:
        """Keeps no more than the head of inputs of which the encoder, given its arguments, takes no stream."""
        command = parse(encoder)
        graphs = " ".join(one.value or "" for one in command.options() if one.name == "filter_complex")
        maps = {(one.value or "").partition(":")[0] for one in command.options() if one.name == "map"}
        for number, file in enumerate(command.inputs):
            relay = next((one for one in self._relays.values() if one.path == file.url), None)
            if relay and str(number) not in maps and f"[{number}:" not in graphs:
                relay.keep_head_for_encoder()

    def listed(self) -> Iterator[Path]:
        """The files that lists among them name."""
        for relay in self._relays.values():
            yield from relay.listed()

    @contextmanager
    def given(self, *, is_decoder: bool) -> Iterator[Sequence[int]]:
        """Descriptors that a child has to inherit, for the start of that child."""
        with ExitStack() as stack:
            yield [stack.enter_context(one.given(is_decoder=is_decoder)) for one in self._relays.values()]

    @property
    def use_stdin(self) -> bool:
        """Whether standard input is among them."""
        return any(
            relay.url in {"-", "pipe:", "pipe:0", "fd:", "/dev/stdin", "/dev/fd/0"} for relay in self._relays.values()
        )

    def refuse(self) -> None:
        """Raises UsageError if there are any: a command that turns out not to be ours cannot have them any more."""
        for relay in self._relays.values():
            raise UsageError(f"input {relay.url} can be read once, and no adcvsr counts in this command; take it out")

    def check(self) -> None:
        """Raises what was the end of an input that did not end by itself."""
        for relay in self._relays.values():
            relay.check()

    def cut(self) -> None:
        """Ends all of them here."""
        for relay in self._relays.values():
            relay.cut()

    def close(self) -> None:
        """Ends all of them, and what reads them for us."""
        for relay in self._relays.values():
            relay.close()


def _with_real_paths(command: Command) -> Command:
    """With the names of files for numbers of our own that are files: children have other ones."""
    return _with_inputs(command, [_with_real_path(file) for file in command.inputs])


def _with_real_path(file: File) -> File:
    path = urls.path(file.url)
    if path is None or not _OWN.match(str(path)) or not path.is_file():
        return file
    real = Path(os.path.realpath(path))
    return replace(file, url=str(real)) if real.exists() and real.samefile(path) else file


def _with_inputs(command: Command, inputs: Sequence[File]) -> Command:
    left = iter(inputs)
    return replace(command, files=tuple(next(left) if file.is_input else file for file in command.files))
