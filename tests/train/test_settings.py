"""Settings: one frozen value, from code or TOML."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from vsadcvsr.errors import UsageError
from vsadcvsr.train.settings import AdversarialSettings, RegressionSettings, TrainSettings

WHOLE = """
model = "base"
pool = "pool"
out = "run"
seed = 3

[regression]
steps = 10
learning_rate = 1

[adversarial]
steps = 5
domains = ["feature"]
heads = "single"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_toml_and_code_say_the_same(tmp_path: Path) -> None:
    assert TrainSettings.read(written(tmp_path, WHOLE)) == TrainSettings(
        model="base", pool=tmp_path / "pool", out=tmp_path / "run", seed=3,
        regression=RegressionSettings(steps=10, learning_rate=1.0),
        adversarial=AdversarialSettings(steps=5, domains=("feature",), heads="single"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pool = 'p'", "setting out is missing"),
        ("pool = 'p'\nout = 'o'\nsede = 1", "did you mean 'seed'"),
        ("pool = 'p'\nout = 'o'\nsteps = 1", "it belongs to regression or adversarial: regression.steps$"),
        ("pool = 'p'\nout = 'o'\nint8 = true", "it belongs to regression: regression.int8$"),
        ("pool = 'p'\nout = 'o'\n[regression]\nstep = 1", "regression.step"),
        ("pool = 'p'\nout = 'o'\n[regression]\nsteps = 'many'", "regression.steps is 'many', allowed: a whole number$"),
        ("pool = 'p'\nout = 'o'\n[regression]\nsteps = true", "regression.steps is True"),
        ("pool = 'p'\nout = 'o'\nadversarial = 3", "adversarial is 3, allowed: a table of settings$"),
        ("pool = 'p'\nout = 'o'\n[adversarial]\ndomains = 'pixel'", "domains is 'pixel', allowed: a list of names in"),
        ("pool = 'p'\nout = 'o'\n[adversarial]\nvae = 3", "adversarial.vae is 3, allowed: a path$"),
        ("pool = 'p'\nout = 'o'\nhalf_weights = 1", "half_weights is 1, allowed: true or false$"),
        ("pool = 'p'\nout = 'o'\nseed = -1", "seed is -1, allowed: 0 to"),
        ("pool = 'p'\nout = 'o'\nminutes = nan", "minutes is nan, allowed: a finite number"),
        ("pool = 'p'\nout = 'o'\n[regression]\nlearning_rate = inf", "learning_rate is inf"),
        ("pool = ", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        TrainSettings.read(written(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml does not exist; give a TOML file of settings$"):
        TrainSettings.read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1}, {"crop": 10}, {"shift": 1.0, "crop": 20}, {"grid": 1.0, "crop": 8}, {"decay": 0},
        {"accumulate": 3}, {"batch": 0}, {"learning_rate": 0}, {"optimizer": "sgd"}, {"final_rate": -1e-6},
        {"warmup": -1}, {"luma": -0.5}, {"structure": -1}, {"learning_rate": math.nan}, {"learning_rate": math.inf},
        {"difference": math.nan}, {"decay": math.nan}, {"cuts": -0.1}, {"cuts": 1.1}, {"cuts": math.nan},
    ],
)  # fmt: skip
def test_stages_that_contradict_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        RegressionSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"heads": "three"}, {"domains": ("sound",)}, {"detail_share": 1.0}, {"clips": 0}, {"frames": 1},
        {"trunk": "vgg"}, {"width": 0}, {"width": 1}, {"width": 8, "detail_share": 0.01}, {"noise": -0.1},
        {"encoder_steps": -1}, {"discriminator_rate": math.nan}, {"pixel": -1}, {"feature_loss": math.inf},
    ],
)  # fmt: skip
def test_contradictory_discriminators_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        AdversarialSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ema": 1.0}, {"precision": "fp8"}, {"device": "tpu"}, {"threads": 0}, {"seed": -1}, {"seed": 1 << 64},
        {"minutes": math.nan}, {"minutes": math.inf}, {"ema": math.nan},
    ],
)  # fmt: skip
def test_runs_that_cannot_be_are_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrainSettings(pool=tmp_path, out=tmp_path, **wrong)  # type: ignore[arg-type]


def test_what_is_described_names_no_path(tmp_path: Path) -> None:
    metadata = TrainSettings(pool=tmp_path, out=tmp_path, adversarial=AdversarialSettings()).as_metadata()
    assert metadata["adversarial.domains"] == "pixel, feature"
    assert metadata["regression.crop"] == 48
    assert str(tmp_path) not in str(metadata)
