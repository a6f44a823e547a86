"""Bytes that can be read once reach each reader whole, and no more of them is kept than readers are apart."""

from __future__ import annotations

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ffmpeg_filter.media import spool
from ffmpeg_filter.media.spool import ProbeReader, Spool, SpoolReader


def whole(reader: SpoolReader) -> bytes:
    try:
        return b"".join(iter(lambda: reader.read(random.randrange(1, 9999)), b""))
    finally:
        reader.close()


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_SEGMENT", 10_000)
    monkeypatch.setattr(spool, "_IN_MEMORY", 2)


DATA = random.Random(1).randbytes(123_456)


def test_all_readers_get_all_bytes() -> None:
    spool = Spool(io.BytesIO(DATA).read)
    readers = [spool.reader() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(whole, readers)) == [DATA] * 3


def test_a_reader_may_be_far_behind() -> None:
    spool = Spool(io.BytesIO(DATA).read)
    first, second = spool.reader(), spool.reader()
    assert whole(first) == DATA
    assert whole(second) == DATA


def test_nothing_is_read_without_a_reader() -> None:
    reads = list[int]()

    def read(size: int) -> bytes:
        reads.append(size)
        return bytes(100)

    tested = Spool(read)
    first, second = tested.reader(), tested.reader()
    for _ in range(5):
        assert first.read(1000)
    assert sum(reads) <= 5 * spool.BLOCK
    assert second.read(100) == bytes(100)
    tested.close()
    assert second.read(1) == b""


def test_a_reader_that_needs_the_head_alone_is_left_behind() -> None:
    spool = Spool(io.BytesIO(DATA).read)
    first, second = spool.reader(), spool.reader()
    second.max_lag = 70_000
    assert second.read(10) == DATA[:10]
    assert whole(first) == DATA
    assert second.read(10) == b""


def test_a_failure_comes_behind_the_bytes_before_it() -> None:
    source = io.BytesIO(DATA)

    def read(size: int) -> bytes:
        data = source.read(size)
        if not data:
            raise OSError("cut off")
        return data

    spool = Spool(read)
    reader = spool.reader()
    with pytest.raises(OSError, match="cut off"):
        whole(reader)
    assert str(spool.failure) == "cut off"


def test_what_a_library_swallows_is_raised_at_the_end() -> None:
    def cut_off(size: int) -> bytes:
        raise OSError(f"no {size} bytes")

    probed = ProbeReader(Spool(cut_off).reader())
    assert (probed.read(1), probed.read(1)) == (b"", b"")
    with pytest.raises(OSError, match="bytes"):
        probed.close()


def test_closing_ends_waiting_readers() -> None:
    released = threading.Event()

    def waiting_for_ever(size: int) -> bytes:
        return bytes(released.wait() and size)

    spool = Spool(waiting_for_ever)
    reader = spool.reader()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(reader.read, 10)
        spool.close()
        assert waiting.result(10) == b""
        released.set()
