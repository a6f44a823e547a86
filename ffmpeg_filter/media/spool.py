"""Spool of a byte stream that is read once, for several readers at different speeds."""

from __future__ import annotations

import io
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

_SEGMENT = 1 << 24  # bytes
_IN_MEMORY = 4
"""Segments kept in memory; older ones are kept in temporary files."""
BLOCK = 1 << 16  # bytes


class Spool:
    """Keeps the bytes that the slowest reader has not read yet. The source is read only on demand, by calling `read` on
    a thread; it returns no bytes at the end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._segments: deque[IO[bytes]] = deque()
        self._begin = self._end = 0
        self._positions: dict[SpoolReader, int] = {}
        self._is_requested = self._is_finished = False
        self.failure: Exception | None = None
        """The source's exception, if it ended with one."""
        self._changed = threading.Condition()
        threading.Thread(target=self._pump, name="read-once input", daemon=True).start()

    def reader(self) -> SpoolReader:
        """A new reader at the oldest byte kept."""
        reader = SpoolReader(self)
        with self._changed:
            self._positions[reader] = self._begin
        return reader

    def read(self, reader: SpoolReader, size: int) -> bytes:
        """The next bytes for a reader; none at the end. Raises what the source raised."""
        with self._changed:
            while reader in self._positions and self._positions[reader] == self._end and not self._is_finished:
                self._is_requested = True
                self._changed.notify_all()
                self._changed.wait()
            at = self._positions.get(reader)
            if at is None:
                return b""
            if at == self._end and self.failure is not None:
                raise self.failure
            data = self._bytes(at, size)
            self._positions[reader] = at + len(data)
            self._free_segments()
            return data

    def remove_reader(self, reader: SpoolReader) -> None:
        """Drops a reader, which is then at the end."""
        with self._changed:
            self._positions.pop(reader, None)
            self._free_segments()
            self._changed.notify_all()

    def close(self) -> None:
        """Ends all readers."""
        with self._changed:
            self._is_finished = True
            self._positions.clear()
            self._free_segments()
            self._changed.notify_all()

    def _pump(self) -> None:
        while True:
            with self._changed:
                while not self._is_requested and not self._is_finished:
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
                self.failure, self._is_requested = failure, False
                self._is_finished |= not data
                self._drop_slow_readers()
                self._changed.notify_all()

    def _drop_slow_readers(self) -> None:
        """Drops readers that lag further behind than they may."""
        for reader, at in list(self._positions.items()):
            if reader.max_lag is not None and self._end - at > reader.max_lag:
                del self._positions[reader]
        self._free_segments()

    def _append(self, data: bytes) -> None:
        if not self._positions:
            return
        if not self._segments or self._end % _SEGMENT == 0:
            is_many = len(self._segments) >= _IN_MEMORY
            self._segments.append(tempfile.TemporaryFile() if is_many else io.BytesIO())  # noqa: SIM115
        free = _SEGMENT - self._end % _SEGMENT
        last = self._segments[-1]
        last.seek(0, io.SEEK_END)
        last.write(data[:free])
        self._end += len(data[:free])
        if data[free:]:
            self._append(data[free:])

    def _bytes(self, at: int, size: int) -> bytes:
        segment = self._segments[at // _SEGMENT - self._begin // _SEGMENT] if at < self._end else io.BytesIO()
        segment.seek(at % _SEGMENT)
        return segment.read(size)

    def _free_segments(self) -> None:
        slowest = min(self._positions.values(), default=self._begin + len(self._segments) * _SEGMENT)
        while self._segments and slowest // _SEGMENT > self._begin // _SEGMENT:
            self._segments.popleft().close()
            self._begin += _SEGMENT


class SpoolReader:
    """A reader of a spool, as a file without seeking."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.max_lag: int | None = None
        """Bytes that it may lag behind before it is dropped; None for no limit."""

    def read(self, size: int = BLOCK) -> bytes:
        return self._spool.read(self, size)

    def close(self) -> None:
        self._spool.remove_reader(self)


class ProbeReader:
    """A reader for libraries that swallow exceptions, such as KeyboardInterrupt: `close` raises them."""

    def __init__(self, reader: SpoolReader) -> None:
        self._reader = reader
        self._raised: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            return b"" if self._raised else self._reader.read(size)
        except BaseException as error:  # noqa: BLE001 - raised by `close`
            self._raised = error
            return b""

    def close(self) -> None:
        """Raises the stored exception, if any."""
        self._reader.close()
        if self._raised is not None:
            raise self._raised
