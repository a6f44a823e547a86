"""The `adcvsr` command, as a person types it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.nets.test_temporal import student
from tests.restoring import write_pair
from vsadcvsr import cli
from vsadcvsr.engine import Engine
from vsadcvsr.errors import UsageError
from vsadcvsr.nets.export import save_weights


def adcvsr(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vsadcvsr.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def test_models_lists_what_ships() -> None:
    output = CliRunner().invoke(cli.app, ["models"]).stdout
    assert "fast" in output
    assert "fp32" in output


def test_models_have_the_facts_of_each_scale_on_a_line() -> None:
    lines = adcvsr("models").stdout.splitlines()
    facts = dict(zip((line.partition(":")[0] for line in lines[::2]), lines[1::2], strict=True))
    assert facts["fast"] == "    x1, x2, x4; lookahead 4, 2, 2 frames; fp32, bf16, fp16, int8; denoise 0 to 1"
    assert facts["nearest-temporal-scales"] == "    x1, x2, x3, x4; lookahead 2 frames; fp32; denoise 0"


def test_the_files_of_models_have_their_sums(tmp_path: Path) -> None:
    lines = adcvsr("models", "--files").stdout.splitlines()
    weights = Path(cli.__file__).with_name("weights")
    for line in lines:
        checksum, file, *_ = line.split()
        assert hashlib.sha256((weights / file).read_bytes()).hexdigest() == checksum
    assert any(line.endswith("fast-x2-restore.safetensors  (fast, x2)") for line in lines)


def test_export_makes_a_file_that_runs(tmp_path: Path) -> None:
    weights, graph = tmp_path / "tiny.safetensors", tmp_path / "tiny.onnx"
    save_weights(student(), weights)
    done = adcvsr("export", str(weights), str(graph))
    assert done.returncode == 0, done.stderr
    ask = f"import numpy as np; from vsadcvsr import Engine; e = Engine.open({str(graph)!r}); "
    ask += "print(sum(p.shape == (3, 32, 48) for p in e.stream([np.zeros((3, 8, 12), np.float32)] * 3)))"
    ran = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=110, check=False)
    assert ran.stdout.strip() == "3", ran.stderr


def test_export_takes_a_name_and_a_scale(tmp_path: Path) -> None:
    out = tmp_path / "own.onnx"
    assert CliRunner().invoke(cli.app, ["export", "fast", str(out), "--scale", "2"]).exit_code == 0
    assert Engine.open(out, backend="ort").scale == 2
    refused = CliRunner().invoke(cli.app, ["export", "fast", str(out), "--scale", "3"])
    with pytest.raises(UsageError, match=r"--scale is 3, allowed: 4 for fast"):
        raise refused.exception or AssertionError(refused.output)


def test_export_does_not_write_over_the_weights(tmp_path: Path) -> None:
    weights = tmp_path / "fast.safetensors"
    weights.write_bytes(b"weights")
    refused = CliRunner().invoke(cli.app, ["export", "fast", str(weights)])
    assert isinstance(refused.exception, UsageError)
    assert str(refused.exception) == f"output {weights} does not end in .onnx; give it a name that does"
    assert weights.read_bytes() == b"weights"


@pytest.mark.parametrize("command", ["export fast own.onnx", "convert own.pt --out own.safetensors"])
def test_an_output_in_a_folder_that_does_not_exist_is_named(tmp_path: Path, command: str) -> None:
    *words, name = command.split()
    refused = CliRunner().invoke(cli.app, [*words, str(tmp_path / "none" / name)])
    with pytest.raises(UsageError, match=r"own\.[a-z]+ is in a folder that does not exist; make it first$"):
        raise refused.exception or AssertionError(refused.output)


def test_export_with_denoise_makes_the_blend_a_model_of_its_own(tmp_path: Path) -> None:
    own, fixed = write_pair(tmp_path), tmp_path / "fixed.onnx"
    arguments = ["export", str(own.with_suffix(".safetensors")), str(fixed), "--denoise", "0.5"]
    assert CliRunner().invoke(cli.app, arguments).exit_code == 0
    clip = [np.full((3, 8, 12), n / 4, np.float32) for n in range(3)]
    exported, wanted = Engine.open(fixed, backend="ort"), Engine.open(own, denoise=0.5, backend="ort")
    np.testing.assert_array_equal([*exported.stream(clip)], [*wanted.stream(clip)])


def test_a_missing_file_is_one_line_on_stderr(tmp_path: Path) -> None:
    done = adcvsr("export", str(tmp_path / "none.safetensors"), str(tmp_path / "out.onnx"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "none.safetensors does not exist; give the path of" in done.stderr
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("command", ["bench", "evaluate"])
def test_help_of_the_commands_that_are_passed_on(command: str) -> None:
    done = adcvsr(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: adcvsr {command} ")
    assert "--model" in done.stdout
