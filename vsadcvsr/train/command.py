"""`adcvsr train`: from the words of a command to a finished run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from vsadcvsr.errors import UsageError
from vsadcvsr.spec import SCALE
from vsadcvsr.train import cpu
from vsadcvsr.train.data import build
from vsadcvsr.train.loop import Run
from vsadcvsr.train.publish import ship
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.weights.store import find

_ROOM = 64  # pixels by which samples are larger than crops, so that crops differ
_SAMPLES = (64, 2400)  # the fewest and the most that a pool made for one run has


def settings_of(
    file: Path | None, data: Sequence[Path], named: Mapping[str, object], more: Sequence[str]
) -> tuple[TrainSettings, list[Path]]:
    """The settings of a TOML file, or the defaults, with what a command names in their place; and the folders of data.

    `named` are settings by their dotted names, with None for those that were not given; `more` are texts such as
    `adversarial.steps=500`, whose values are TOML. A file may name its own `data`. With data and no pool, the pool is
    beside the results. Raises UsageError.
    """
    held: dict[str, Any] = TrainSettings.table(file) if file else {}
    data = _folders(file, held.pop("data", []), data)
    for name, value in [*named.items(), *map(_assigned, more)]:
        if value is not None:
            _put(held, name, value)
    if "out" not in held:
        raise UsageError("the setting out is missing; name the folder for weights and checkpoints with --out")
    if data and "pool" in held:
        raise UsageError.of("data", ", ".join(map(str, data)), "either data or a pool", "leave one of them out")
    if data:
        held["pool"] = Path(held["out"]) / "pool"
    if "pool" not in held:
        raise UsageError("neither data nor a pool is given; name a folder of pictures and videos with --data")
    if "begin" in held:
        held["begin"] = find(held["begin"], (".safetensors",))
    return TrainSettings.of(held), data


def _folders(file: Path | None, written: object, given: Sequence[Path]) -> list[Path]:
    if not isinstance(written, list) or not all(isinstance(folder, str) for folder in written):
        raise UsageError.of("data", written, "a list of folders")
    return list(given) or [file.parent / folder for folder in written if file]


def _assigned(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError.of("set", text, "NAME=VALUE, such as adversarial.steps=500")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value  # a plain word


def _put(held: dict[str, Any], name: str, value: object) -> None:
    *tables, last = name.split(".")
    for table in tables:
        held = held.setdefault(table, {})
        if not isinstance(held, dict):
            raise UsageError.of("set", name, "the name of a setting")
    held[last] = value


def train(settings: TrainSettings, data: Sequence[Path], exclude: Sequence[Path] = ()) -> list[Path]:
    """Fills the pool from `data`, if any, then runs to the end or goes on from a checkpoint; the files it leaves.

    `exclude` are lists of files of the data that are left out.
    """
    run = Run(settings)
    run.resume()
    if data and run.world.first:
        _fill(settings, data, exclude)
    run.world.wait()
    with cpu.alone(settings.threads) if run.world.device.type == "cpu" else nullcontext():
        run.run()
    return ship(run, settings.out) if run.world.first else []


def _fill(settings: TrainSettings, data: Sequence[Path], exclude: Sequence[Path]) -> None:
    stages = [stage for stage in (settings.regression, settings.adversarial) if stage]
    fewest, most = _SAMPLES
    count = min(max(sum(stage.steps * stage.batch for stage in stages) // 4, fewest), most)
    frames = max(stage.frames for stage in stages)
    side = max(SCALE * stage.crop for stage in stages) + _ROOM
    words = [*map(str, data), "--out", str(settings.pool), "--seed", str(settings.seed)]
    words += [word for path in exclude for word in ("--exclude", str(path))]
    build.main([*words, "--count", str(count), "--frames", str(frames), "--size", str(side)])
