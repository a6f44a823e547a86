"""The ledger: lines of many workers, none of which can spoil another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsadcvsr.farm.store.ledger import Ledger, LedgerEntry


def line(at: float, chunk: int = 0, plan: str = "a") -> LedgerEntry:
    return LedgerEntry(event="done", plan=plan, worker="here:1", at=at, chunk=chunk, file=f"{chunk}.mkv", bytes=7)


def test_lines_of_several_workers_are_read_in_order_of_time(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    for ledger, at in ((first, 3.0), (second, 1.0), (first, 2.0)):
        ledger.append(line(at, chunk=int(at)))
    assert Ledger(tmp_path).read("a") == [line(1.0, 1), line(2.0, 2), line(3.0, 3)]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    Ledger(tmp_path).append(line(1.0))
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + path.read_bytes()[:40])
    assert Ledger(tmp_path).read("a") == [line(1.0)]


def test_what_is_no_line_is_left_out(tmp_path: Path) -> None:
    Ledger(tmp_path).append(line(1.0))
    (tmp_path / "x.jsonl").write_text(
        'nonsense\n{"event": "done"}\n[]\n{"event":"done","plan":"a","worker":"","at":1,"z":1}\n'
    )
    assert Ledger(tmp_path).read("a") == [line(1.0)]


def test_lines_of_another_plan_are_left_out(tmp_path: Path) -> None:
    Ledger(tmp_path).append(line(1.0, plan="b"))
    assert Ledger(tmp_path).read("a") == []


def test_after_a_failure_to_write_the_next_line_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(line(1.0))
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("No space left on device")))
        with pytest.raises(OSError, match="No space"):
            ledger.append(line(2.0))
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])  # what a full disk leaves of it
    ledger.append(line(3.0))
    assert [item.at for item in ledger.read("a")] == [1.0, 3.0]


def test_a_folder_that_is_not_there_yet_holds_no_lines(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "ledger").read("a") == []
