"""`adcvsr train`: words to settings, pictures to a model that runs."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import vsadcvsr
from vsadcvsr.cli import app
from vsadcvsr.errors import AdcvsrError, MediaError, UsageError, WeightsError
from vsadcvsr.train.command import settings_of, train
from vsadcvsr.train.settings import TrainSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (280, 300, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / "one.png"), cv2.GaussianBlur(noise, (0, 0), 2))
    return folder


def runs_in(example: str, folder: Path) -> list[tuple[dict[str, str], TrainSettings]]:
    """The training commands in the comments of an example: their options, and the settings they make."""
    lines = [line[1:] for line in (ROOT / "examples" / example).read_text().splitlines()]
    runs = []
    for file, *words in (shlex.split(line)[2:] for line in lines if line.startswith("     adcvsr train ")):
        pairs = list(zip(words[::2], words[1::2], strict=True))
        options = dict(pairs)
        named: dict[str, object] = {"pool": folder, "out": folder / options["--out"]}
        if "--steps" in options:
            named["regression.steps"] = int(options["--steps"])
        settings, _ = settings_of(ROOT / file, [], named, [value for name, value in pairs if name == "--set"])
        runs.append((options, settings))
    return runs


def test_options_replace_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('pool = "p"\nout = "o"\nseed = 3\n[regression]\nsteps = 9\nbatch = 2\n', encoding="utf-8")
    more = ["adversarial.heads=single", "adversarial.domains=['pixel']", "ema=0.5"]
    settings, _ = settings_of(file, [], {"regression.steps": 7, "out": tmp_path / "other", "model": None}, more)
    assert (settings.pool, settings.out, settings.seed, settings.ema) == (tmp_path / "p", tmp_path / "other", 3, 0.5)
    assert (settings.regression.steps, settings.regression.batch) == (7, 2)
    assert settings.adversarial
    assert (settings.adversarial.heads, settings.adversarial.domains) == ("single", ("pixel",))


def test_a_model_by_name_is_a_beginning(tmp_path: Path) -> None:
    settings, _ = settings_of(None, [tmp_path], {"out": tmp_path, "begin": "fast"}, [])
    assert settings.begin
    assert settings.begin.suffix == ".safetensors"
    assert settings.pool == tmp_path / "pool"


@pytest.mark.parametrize(
    ("named", "data", "more", "message"),
    [
        ({}, ["d"], [], "--out"),
        ({"out": "o"}, [], [], "--data"),
        ({"out": "o", "pool": "p"}, ["d"], [], "both data and a pool"),
        ({"out": "o"}, ["d"], ["steps"], "NAME=VALUE"),
        ({"out": "o"}, ["d"], ["regression.sters=1"], "did you mean 'steps'"),
        ({"out": "o"}, ["d"], ["seed=1", "seed.x=1"], "is a single value"),
        ({"out": "o", "begin": "fats"}, ["d"], [], "did you mean 'fast'"),
        ({}, ["d"], ["out=5"], "out is 5, allowed: a path"),
        ({"out": "o", "pool": "p"}, [], ["begin=true"], "begin is True, allowed: a model's name or a path"),
    ],
)
def test_a_wrong_command_is_one_clear_line(
    named: dict[str, object], data: list[str], more: list[str], message: str
) -> None:
    with pytest.raises(AdcvsrError, match=message) as raised:
        settings_of(None, [Path(folder) for folder in data], named, more)
    assert isinstance(raised.value, UsageError | WeightsError)
    assert "\n" not in str(raised.value)


def test_pictures_become_a_model_that_runs(pictures: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", str(pictures), "--out", str(tmp_path / "run"), "--steps", "2"]
    small = ["regression.batch=1", "regression.crop=8", "regression.frames=2", "threads=1"]
    done = CliRunner().invoke(app, [*arguments, *(word for text in small for word in ("--set", text))])
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(tmp_path / "run" / f"fast.{kind}") for kind in ("safetensors", "onnx", "md")]
    engine = vsadcvsr.Engine.open(tmp_path / "run" / "fast.safetensors")
    assert [picture.shape for picture in engine.stream([np.zeros((3, 8, 8), np.float32)] * 2)] == [(3, 32, 32)] * 2


def test_excluded_pictures_are_not_learned_from(pictures: Path, tmp_path: Path) -> None:
    listed = tmp_path / "validation.txt"
    listed.write_text("pictures/one.png\n", encoding="utf-8")
    arguments = ["train", "--data", str(pictures), "--exclude", str(listed), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, MediaError)
    assert "no pictures and no videos" in str(done.exception)


def test_a_pool_takes_no_list_of_excluded_files(tmp_path: Path) -> None:
    settings, _ = settings_of(None, [], {"out": tmp_path / "run", "pool": tmp_path / "pool"}, [])
    with pytest.raises(UsageError, match=r"^--exclude scenes\.txt is for files of --data, but the pool .* is filled"):
        train(settings, [], [Path("scenes.txt")])
    assert not (tmp_path / "run").exists()


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, MediaError)


def test_the_ablation_is_four_settings_of_one_file(tmp_path: Path) -> None:
    seen = set()
    for options, settings in runs_in("ablation.toml", tmp_path):
        assert settings.adversarial is not None
        seen.add((options["--out"], settings.adversarial.heads, settings.adversarial.domains))
        assert (settings.regression.steps, settings.adversarial.steps, settings.seed) == (0, 500, 0)
    assert seen == {
        ("dual", "dual", ("pixel", "feature")),
        ("single", "single", ("pixel", "feature")),
        ("feature", "dual", ("feature",)),
        ("regression", "dual", ()),
    }


def test_the_ablation_on_a_pretrained_trunk_differs_in_heads_alone(tmp_path: Path) -> None:
    stages = [settings.adversarial for _, settings in runs_in("ablation_pretrained.toml", tmp_path)]
    dual, single = (stage for stage in stages if stage is not None)
    assert (dual.heads, single.heads) == ("dual", "single")
    assert replace(dual, heads="single") == single


def test_the_weights_of_fast_come_of_twenty_runs(tmp_path: Path) -> None:
    runs = []
    for example in ("first", "sixth", "seventh", "eighth", "ninth", "restore", "x2"):
        for options, settings in runs_in(f"fast/{example}.toml", tmp_path):
            stage = settings.regression
            begin, pool = options["--begin"], options["--pool"]
            runs.append((begin, pool, stage.frames, settings.seed, stage.steps, stage.pyramid))
    assert runs == [
        ("before.safetensors", "pool", 3, 0, 3000, 0),
        ("first/fast.safetensors", "pool", 3, 1, 2500, 4),
        ("second/fast.safetensors", "pool", 3, 2, 2400, 4),
        ("third/fast.safetensors", "pool", 7, 9, 2500, 4),
        ("grown.safetensors", "pool", 3, 13, 5000, 4),
        ("grown.safetensors", "pool", 3, 8, 30000, 4),
        ("sixth/fast.safetensors", "pool", 3, 8, 30000, 8),
        ("before.safetensors", "pool", 5, 7, 9000, 8),
        ("grown.safetensors", "pool", 5, 17, 7000, 8),
        ("ninth/fast.safetensors", "pool", 5, 35, 700, 8),
        ("before.safetensors", "pool", 5, 61, 7000, 8),
        ("eleventh.safetensors", "pool", 5, 35, 700, 8),
        ("fast.safetensors", "poor", 5, 3, 8000, 8),
        ("restore-1/fast.safetensors", "noisy", 5, 3, 3000, 8),
        ("restore-2/fast.safetensors", "both", 5, 3, 4000, 8),
        ("restore-3/fast.safetensors", "both", 5, 35, 500, 8),
        ("x2-1/fast-x2.safetensors", "poor2", 5, 3, 1600, 8),
        ("x2-restore-1/fast-x2.safetensors", "poor2", 5, 35, 500, 8),
        ("before.safetensors", "pool2", 5, 71, 8000, 8),
        ("x2-1/fast-x2.safetensors", "pool2", 5, 35, 700, 8),
    ]


def test_the_weights_of_base_come_of_eighteen_runs(tmp_path: Path) -> None:
    runs = []
    for example in ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "restore", "x2"):
        for options, settings in runs_in(f"base/{example}.toml", tmp_path):
            assert (settings.model, settings.half_weights) == ("base", True)
            stage = settings.regression
            begin, pool = options["--begin"], options["--pool"]
            runs.append((settings.scale, begin, pool, settings.seed, stage.steps, stage.optimizer))
    assert runs == [
        (4, "grown.safetensors", "pool", 61, 16000, "muon"),
        (4, "grown.safetensors", "pool", 5, 11000, "muon"),
        (4, "grown.safetensors", "pool", 7, 22000, "muon"),
        (4, "base-3/base.safetensors", "pool", 7, 22000, "muon"),
        (4, "before.safetensors", "pool", 7, 6000, "muon"),
        (4, "before.safetensors", "pool", 35, 700, "muon"),
        (4, "grown.safetensors", "pool", 17, 6000, "muon"),
        (4, "base-7/base.safetensors", "pool", 35, 700, "muon"),
        (4, "base-8/base.safetensors", "pool", 35, 500, "muon"),
        (4, "before.safetensors", "pool", 61, 4800, "muon"),
        (4, "base-10.safetensors", "pool", 35, 700, "muon"),
        (4, "base.safetensors", "poor", 3, 5000, "adam"),
        (4, "base-restore-1/base.safetensors", "both", 3, 2500, "adam"),
        (4, "base-restore-2/base.safetensors", "both", 35, 500, "muon"),
        (2, "base-x2-1/base-x2.safetensors", "poor2", 3, 1600, "adam"),
        (2, "base-x2-restore-1/base-x2.safetensors", "poor2", 35, 500, "muon"),
        (2, "before.safetensors", "pool2", 71, 5600, "muon"),
        (2, "base-x2-1/base-x2.safetensors", "pool2", 35, 700, "muon"),
    ]


def test_the_x1_weights_come_of_four_runs(tmp_path: Path) -> None:
    runs = []
    for options, settings in runs_in("fast/x1.toml", tmp_path):
        stage = settings.regression
        runs.append((options["--begin"], settings.seed, stage.steps, stage.optimizer, stage.learning_rate))
    assert runs == [
        ("before.safetensors", 71, 8000, "muon", 6e-4),
        ("x1-1/fast-x1.safetensors", 3, 2000, "adam", 5e-4),
        ("x1-2/fast-x1.safetensors", 72, 3000, "muon", 6e-4),
        ("x1-3/fast-x1.safetensors", 73, 500, "muon", 2e-5),
    ]
