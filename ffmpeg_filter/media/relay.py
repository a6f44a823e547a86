"""Relays for inputs that can be read only once (pipes, devices, sockets): their bytes go to both FFmpeg processes.

In the command their URL is replaced by `/dev/fd/N`; in each child, N is the end of a separate pipe.
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
from ffmpeg_filter.media.process import ChildProcess
from ffmpeg_filter.media.spool import BLOCK, Spool, SpoolReader
from vsadcvsr.errors import MediaError, UsageError

_CONNECTIONS = {
    "dtls", "rist", "rtmp", "rtmpe", "rtmps", "rtmpt", "sctp", "srt", "tcp", "tls", "udp", "udplite", "unix", "zmq",
}  # fmt: skip
"""Protocols of streams that cannot be requested again."""
_SERVERS = {"http", "https", *_CONNECTIONS}
DEVICES = {
    "alsa", "avfoundation", "bktr", "decklink", "dshow", "dv1394", "fbdev", "gdigrab", "iec61883", "jack", "kmsgrab",
    "openal", "oss", "pulse", "sndio", "v4l2", "video4linux2", "x11grab", "xcbgrab",
}  # fmt: skip
"""Input formats that are devices, so that the bytes of a file are not enough."""
_PROTOCOL_OPTIONS = {
    "blocksize", "broadcast", "buffer_size", "connect", "cookies", "fifo_size", "headers", "http_proxy", "latency",
    "listen", "listen_timeout", "local_addr", "local_port", "localaddr", "localport", "method", "mode",
    "multiple_requests", "overrun_nonfatal", "passphrase", "pkt_size", "rcvbuf", "recv_buffer_size", "referer", "reuse",
    "reuse_socket", "rw_timeout", "send_buffer_size", "sources", "tcp_mss", "tcp_nodelay", "timeout", "ttl", "type",
    "user_agent",
}  # fmt: skip
"""Input options that belong to the protocol."""
_NUMBER = re.compile(r"(?:pipe:|fd:)?(\d*)$")
_OWN_DESCRIPTOR = re.compile(r"/dev/(?:stdin|fd/\d+)$|/proc/self/fd/\d+$")
_UNUSED_BYTES = 1 << 25
"""Bytes kept for a reader that needs only the head of the input."""


def is_read_once(file: File) -> bool:
    """Whether an input can be read only once."""
    name = urls.protocol(file.url)
    if name in {"pipe", "fd"} or name in _CONNECTIONS:
        return True
    if name in _SERVERS and (file.last("listen") not in {None, "0"} or re.search(r"[?&]listen\b", file.url)):
        return True
    path = urls.path(file.url)
    if path is None or file.last("f") in DEVICES:
        return False
    if _OWN_DESCRIPTOR.match(str(path)):
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


class InputRelay:
    """One such input."""

    def __init__(self, file: File, binary: Binary) -> None:
        self.url = file.url
        self._source: ChildProcess | None = None
        is_local = urls.protocol(file.url) in {"pipe", "fd", "file"}
        self._input = _open_descriptor(file) if is_local else self._connect(file, binary)
        self._spool = Spool(self._read)
        self.probing, self._decoding, self._encoding = (self._spool.reader() for _ in range(3))
        self._listing = self._spool.reader() if file.last("f") == "concat" else None
        self.number = os.open(os.devnull, os.O_RDONLY)

    @property
    def path(self) -> str:
        return f"/dev/fd/{self.number}"

    def _connect(self, file: File, binary: Binary) -> int:
        """A pipe into which an FFmpeg process copies the bytes of a connection."""
        options = [arg for option in file.options if option.name in _PROTOCOL_OPTIONS for arg in option.args()]
        readable, writable = os.pipe()
        args = ["-hide_banner", "-nostats", "-loglevel", "level+error", "-nostdin", *options, "-f", "data"]
        args += ["-i", file.url, "-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "data", "pipe:1"]
        self._source = ChildProcess(
            "source", [binary.path, *args], on_line=lambda _: True, on_message=lambda _: None, stdout=writable
        )
        os.close(writable)
        return readable

    def _read(self, size: int) -> bytes:
        if self._input < 0:  # a named pipe is opened here, since that blocks until it has a writer
            self._input = os.open(urls.path(self.url) or self.url, os.O_RDONLY)
        data = os.read(self._input, size)
        if not data and self._source is not None and (status := self._source.wait()):
            raise MediaError(f"{self._source.log.reason()} (status {status})")
        return data

    @contextmanager
    def inherited(self, *, is_decoder: bool) -> Iterator[int]:
        """The descriptor to pass to a child process started while entered; it gets all bytes from the first on."""
        reader = self._decoding if is_decoder else self._encoding
        readable, writable = os.pipe()
        os.dup2(readable, self.number)
        os.close(readable)
        try:
            yield self.number
        finally:
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123
                os.dup2(nothing.fileno(), self.number, inheritable=False)
            threading.Thread(target=_copy_to_pipe, args=(reader, writable), name="to FFmpeg", daemon=True).start()

    def list_members(self) -> Iterator[Path]:
        """Files named in the input, if it is a list."""
        if self._listing is None:
            return
        text = b"".join(iter(self._listing.read, b""))
        self._listing.close()
        yield from input_files.list_members(text.decode(errors="surrogateescape"), Path())

    def keep_head_for_encoder(self) -> None:
        """Limits the backlog of an encoder that takes no stream of this input."""
        self._encoding.max_lag = _UNUSED_BYTES

    def check(self) -> None:
        """Raises the error that ended the input, if any."""
        if self._spool.failure is not None:
            raise MediaError(f"input {self.url} cannot be read: {self._spool.failure}")

    def end_input(self) -> None:
        """Ends the input for all readers."""
        self._spool.close()

    def close(self) -> None:
        """Ends the input and closes its source."""
        self.end_input()
        os.close(self.number)
        if self._source is not None:
            self._source.send_kill()


def _copy_to_pipe(reader: SpoolReader, writable: int) -> None:
    with suppress(BrokenPipeError, MediaError, OSError):
        while data := reader.read(BLOCK):
            view = memoryview(data)
            while view:
                view = view[os.write(writable, view) :]
    reader.close()
    os.close(writable)


def _open_descriptor(file: File) -> int:
    """A duplicate of an open descriptor; -1 for a path. Raises UsageError if the descriptor is not open."""
    if urls.protocol(file.url) == "file":
        return -1
    match = _NUMBER.match("" if file.url == "-" else file.url)
    number = int((match and match[1]) or file.last("fd") or 0)
    try:
        return os.dup(number)
    except OSError:
        raise UsageError(f"input {file.url} cannot be read: file descriptor {number} is not open") from None


class InputRelays:
    """All such inputs of a command, and the command with their URLs replaced."""

    def __init__(self, command: Command, binary: Binary) -> None:
        self._relays: dict[int, InputRelay] = {}
        self.command = command = _with_real_paths(command)
        if sys.platform == "win32":
            return
        unseekable = {number: file for number, file in enumerate(command.inputs) if is_read_once(file)}
        names = [file.url for file in unseekable.values()]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"input {repeated} is given twice, but can be read once; save it to a file first")
        self._relays = {number: InputRelay(file, binary) for number, file in unseekable.items()}
        self.command = _with_inputs(command, [self._replaced(*numbered) for numbered in enumerate(command.inputs)])

    def _replaced(self, number: int, file: File) -> File:
        if number not in self._relays:
            return file
        file_options = file.without(lambda option: option.name in _PROTOCOL_OPTIONS or option.name == "fd")
        return replace(file_options, url=self._relays[number].path)

    def with_original_names(self, text: str) -> str:
        """The text with the user's URLs instead of `/dev/fd/N`."""
        for relay in self._relays.values():
            text = re.sub(rf"{relay.path}(?!\d)", lambda _: relay.url, text)  # noqa: B023 - called at once
        return text

    def probing(self, number: int) -> SpoolReader | None:
        """The reader to probe an input with; None if it can be opened."""
        relay = self._relays.get(number)
        return relay.probing if relay else None

    def limit_unused(self, encoder_args: Sequence[str]) -> None:
        """Limits the backlog of inputs of which the encoder, given its arguments, takes no stream."""
        command = parse(encoder_args)
        graphs = " ".join(option.value or "" for option in command.options() if option.name == "filter_complex")
        maps = {(option.value or "").partition(":")[0] for option in command.options() if option.name == "map"}
        for number, file in enumerate(command.inputs):
            relay = next((relay for relay in self._relays.values() if relay.path == file.url), None)
            if relay and str(number) not in maps and f"[{number}:" not in graphs:
                relay.keep_head_for_encoder()

    def list_members(self) -> Iterator[Path]:
        """Files named in inputs that are lists."""
        for relay in self._relays.values():
            yield from relay.list_members()

    @contextmanager
    def inherited(self, *, is_decoder: bool) -> Iterator[Sequence[int]]:
        """Descriptors to pass to a child process started while entered."""
        with ExitStack() as stack:
            yield [stack.enter_context(relay.inherited(is_decoder=is_decoder)) for relay in self._relays.values()]

    @property
    def uses_stdin(self) -> bool:
        """Whether standard input is one of them."""
        return any(relay.url in urls.STANDARD_INPUT for relay in self._relays.values())

    def refuse_all(self) -> None:
        """Raises UsageError if there are any: a command without adcvsr could not read them any more."""
        for relay in self._relays.values():
            raise UsageError(
                f"input {relay.url} can be read once only, and this command applies no adcvsr to it; remove that input"
            )

    def check(self) -> None:
        """Raises the error that ended an input, if any."""
        for relay in self._relays.values():
            relay.check()

    def end_inputs(self) -> None:
        """Ends all of them for all readers."""
        for relay in self._relays.values():
            relay.end_input()

    def close(self) -> None:
        """Ends all of them and closes their sources."""
        for relay in self._relays.values():
            relay.close()


def _with_real_paths(command: Command) -> Command:
    """Replaces descriptors that are regular files by their paths, since children have other descriptors."""
    return _with_inputs(command, [_with_real_path(file) for file in command.inputs])


def _with_real_path(file: File) -> File:
    path = urls.path(file.url)
    if path is None or not _OWN_DESCRIPTOR.match(str(path)) or not path.is_file():
        return file
    real = Path(os.path.realpath(path))
    return replace(file, url=str(real)) if real.exists() and real.samefile(path) else file


def _with_inputs(command: Command, inputs: Sequence[File]) -> Command:
    left = iter(inputs)
    return replace(command, files=tuple(next(left) if file.is_input else file for file in command.files))
