"""A stream of bytes that is read once and given to several readers, each at its own pace."""

from __future__ import annotations

import io
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

_SEGMENT = 1 << 24  # bytes
_IN_MEMORY = 4
"""Segments that are kept in memory; what a slow reader is further behind is kept in temporary files."""
BLOCK = 1 << 16  # bytes


class Spool:
    """Keeps what the slowest reader has not read. The source is read only when a reader has nothing left, so that no
    more is kept than readers are apart. `read` gives the next bytes, none at the end; it is called on a thread.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._segments: deque[IO[bytes]] = deque()
        self._begin = self._end = 0
        self._positions: dict[Reader, int] = {}
        self._is_wanted = self._is_finished = False
        self.failure: Exception | None = None
        """What the source raised, if that was its end."""
        self._changed = threading.Condition()
        threading.Thread(target=self._pump, name="read-once input", daemon=True).start()

    def reader(self) -> Reader:
        """A new reader, at the first byte that is still there: at the very first if made before any other reads."""
        reader = Reader(self)
        with self._changed:
            self._positions[reader] = self._begin
        return reader

    def take(self, reader: Reader, size: int) -> bytes:
        """The next bytes for a reader, at least one unless it is at the end. Raises what the source raised."""
        with self._changed:
            while reader in self._positions and self._positions[reader] == self._end and not self._is_finished:
                self._is_wanted = True
                self._changed.notify_all()
                self._changed.wait()
            at = self._positions.get(reader)
            if at is None:
                return b""
            if at == self._end and self.failure is not None:
                raise self.failure
            data = self._bytes(at, size)
            self._positions[reader] = at + len(data)
            self._drop()
            return data

    def leave(self, reader: Reader) -> None:
        """Keeps nothing for a reader any more, which then is at the end."""
        with self._changed:
            self._positions.pop(reader, None)
            self._drop()
            self._changed.notify_all()

    def close(self) -> None:
        """Ends all readers."""
        with self._changed:
            self._is_finished = True
            self._positions.clear()
            self._drop()
            self._changed.notify_all()

    def _pump(self) -> None:
        while True:
            with self._changed:
                while not self._is_wanted and not self._is_finished:
                    self._changed.wait()
                if self._is_finished:
                    return
            try:
                data, failure = self._read(BLOCK), None
            except Exception as error:  # noqa: BLE001 - it is raised where the bytes are missed
                data, failure = b"", error
            with self._changed:
                try:
                    self._append(data)
                except OSError as error:
                    data, failure = b"", error
                self.failure, self._is_wanted = failure, False
                self._is_finished |= not data
                self._leave_behind()
                self._changed.notify_all()

    def _leave_behind(self) -> None:
        """Gives up readers that are further behind than they may be."""
        for reader, at in list(self._positions.items()):
            if reader.most_behind is not None and self._end - at > reader.most_behind:
                del self._positions[reader]
        self._drop()

    def _append(self, data: bytes) -> None:
        if not self._positions:
            return
        if not self._segments or self._end % _SEGMENT == 0:
            is_many = len(self._segments) >= _IN_MEMORY
            self._segments.append(tempfile.TemporaryFile() if is_many else io.BytesIO())  # noqa: SIM115
        room = _SEGMENT - self._end % _SEGMENT
        last = self._segments[-1]
        last.seek(0, io.SEEK_END)
        last.write(data[:room])
        self._end += len(data[:room])
        if data[room:]:
            self._append(data[room:])

    def _bytes(self, at: int, size: int) -> bytes:
        segment = self._segments[at // _SEGMENT - self._begin // _SEGMENT] if at < self._end else io.BytesIO()
        segment.seek(at % _SEGMENT)
        return segment.read(size)

    def _drop(self) -> None:
        slowest = min(self._positions.values(), default=self._begin + len(self._segments) * _SEGMENT)
        while self._segments and slowest // _SEGMENT > self._begin // _SEGMENT:
            self._segments.popleft().close()
            self._begin += _SEGMENT


class Reader:
    """One reader of a spool, as a file that cannot seek."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.most_behind: int | None = None
        """How far (bytes) it may be behind the source until it is at the end; None for any distance."""

    def read(self, size: int = BLOCK) -> bytes:
        return self._spool.take(self, size)

    def close(self) -> None:
        self._spool.leave(self)


class Probed:
    """A reader for a library that swallows what is raised while it reads, such as Ctrl-C: `close` raises it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._raised: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            return b"" if self._raised else self._reader.read(size)
        except BaseException as error:  # noqa: BLE001 - raised by `close`
            self._raised = error
            return b""

    def close(self) -> None:
        """Raises what was raised."""
        self._reader.close()
        if self._raised is not None:
            raise self._raised
