"""What all commands share: how they end, and words that several of them take."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace

import pytest

from vsadcvsr.commands import check_minimums, parse_share, parse_size, status
from vsadcvsr.errors import MediaError, UsageError

MISTAKES = {
    "evaluate.cuts --clips gone --images gone": "cuts: gone holds no file that ends in",
    "evaluate --data gone": "evaluate: gone is no dataset",
    "bench --count 0": "bench: --count is 0, allowed: 1 or more",
    "bench.farm --workers 2 0": "bench: --workers is [2, 0], allowed: 1 or more",
    "bench.farm --ledgers 5": "bench: --ledgers is '5', allowed: WIDTHxHEIGHT",
    "bench --json gone/bench.json": "bench: --json gone/bench.json is in a folder that does not exist; make it first",
    "bench.farm --json gone/f.json": "bench: --json gone/f.json is in a folder that does not exist; make it first",
    "bench.paper --weights gone.safetensors --dry-run": "bench: gone.safetensors",
    "evaluate.cuts --clips gone --images gone --json .": "cuts: --json . is a folder; give the name of a file",
    "train.data.build gone --out pool": "pool: folder gone does not exist",
    "train.teachers.label gone": "teach: no samples in pool gone",
    "train.teachers.pairs gone gone --teacher star --out pool": "pairs: ",
}


def raising(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.items())
def test_a_mistake_is_one_line_and_the_status_2(arguments: str, message: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *f"vsadcvsr.{arguments}".split()], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(message)
    assert ended.stderr.count("\n") == 1


def test_each_error_has_its_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("bench", lambda: None) == 0
    assert status("bench", lambda: 3) == 3
    assert status("bench", lambda: raising(MediaError("no film"))) == 2
    assert status("bench", lambda: raising(FileNotFoundError(2, "No such file", "film"))) == 2
    assert status("pool", lambda: raising(KeyboardInterrupt()), stopped="stopped; go on") == 130
    out, err = capsys.readouterr()
    assert (out, err) == ("", "bench: no film\nbench: [Errno 2] No such file: 'film'\npool: stopped; go on\n")


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        status("bench", lambda: 1 // 0)


def test_numbers_below_the_minimum_are_refused() -> None:
    arguments = Namespace(count=1, workers=[1, 2], chunk_seconds=0.0)
    check_minimums(arguments, {"count": 1, "workers": 1})
    with pytest.raises(UsageError, match=r"^--chunk-seconds is 0\.0, allowed: 0\.1 or more$"):
        check_minimums(arguments, {"count": 1, "chunk_seconds": 0.1})


@pytest.mark.parametrize("text", ["", "480", "0x270", "480x", "-1x2", "480x270x3"])
def test_a_size_is_two_numbers(text: str) -> None:
    assert parse_size("--size", "480x270") == (480, 270)
    with pytest.raises(UsageError, match=f"^--size is '{text}', allowed: WIDTHxHEIGHT"):
        parse_size("--size", text)


@pytest.mark.parametrize("text", ["", "1", "2/2", "a/b", "-1/2"])
def test_a_share_is_one_of_several(text: str) -> None:
    assert parse_share("1/2") == (1, 2)
    with pytest.raises(UsageError, match="such as 0/2"):
        parse_share(text)
