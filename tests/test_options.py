"""Options that are read without the extra of their command: they say of it what is true."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import pytest

from vsadcvsr.evaluate import options as evaluation
from vsadcvsr.evaluate.__main__ import TABLES
from vsadcvsr.evaluate.datasets import PROTOCOLS
from vsadcvsr.evaluate.degradations import DEGRADATIONS
from vsadcvsr.evaluate.validation import ValidationPlan
from vsadcvsr.train import options as training
from vsadcvsr.train.data.library import CACHE_BYTES
from vsadcvsr.train.degradations.mix import KINDS, MIX
from vsadcvsr.train.teachers.label import TEACHERS

_WITHOUT = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"cv2", "torch", "safetensors", "onnx", "diffusers"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def test_options_name_what_there_is() -> None:
    assert (set(evaluation.PROTOCOLS), set(evaluation.TABLES)) == (set(PROTOCOLS), set(TABLES))
    assert tuple(DEGRADATIONS) == evaluation.KINDS
    assert (tuple(KINDS), tuple(TEACHERS)) == (training.KINDS, training.TEACHERS)
    assert (str(MIX), CACHE_BYTES) == (training.MIX, training.CACHE_MIB << 20)
    arguments, plan = evaluation.validation().parse_args(["a", "--out", "b"]), ValidationPlan()
    assert (arguments.frames, arguments.size, arguments.seed) == (plan.frames, f"{plan.width}x{plan.height}", plan.seed)


@pytest.mark.parametrize(
    "command",
    [
        "cli evaluate", "evaluate", "evaluate.cuts", "evaluate.validation", "train.data.build", "train.teachers.pairs",
        "train.average", "train.calibrate", "train.grow", "train.prune", "train.teachers.label", "bench.paper",
        "cli train",
    ],
)  # fmt: skip
def test_help_does_not_need_the_extra(command: str) -> None:
    module, *more = f"vsadcvsr.{command}".split()
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, module, *more, "--help"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout.lower()
    assert "--" in done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "bench.__main__", "bench.farm.__main__", "bench.paper.__main__", "evaluate.__main__", "evaluate.cuts.__main__",
        "evaluate.validation", "train.average", "train.calibrate", "train.data.build", "train.grow", "train.prune",
        "train.teachers.label", "train.teachers.pairs",
    ],
)  # fmt: skip
def test_the_help_says_what_each_option_does(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsers: list[ArgumentParser] = []

    def stop(parser: ArgumentParser, _: object) -> NoReturn:
        parsers.append(parser)
        raise SystemExit

    monkeypatch.setattr(ArgumentParser, "parse_args", stop)
    with suppress(SystemExit):
        import_module(f"vsadcvsr.{module}").main([])
    assert [action.dest for action in parsers[0]._actions if not action.help] == []


def test_a_missing_extra_is_reported_except_for_help() -> None:
    arguments = [sys.executable, "-c", _WITHOUT, "vsadcvsr.train.average", "a", "--out", "b"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "run `pip install 'vsadcvsr[train]'`" in done.stderr
