"""The plugin under test: the one that VapourSynth found by itself, else one compiled from this tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import vapoursynth as vs

import vsadcvsr
from tests.plugin.still_engine import MeanEngine
from vsadcvsr.native.build import compile_command, run, this_machine


@pytest.fixture(scope="session", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not hasattr(vs.core, "adcvsr"):
        target = this_machine()
        library = tmp_path_factory.mktemp("native") / f"libadcvsr{target.suffix}"
        native = Path(vsadcvsr.__file__).parent / "native"
        run([*compile_command(target, vsadcvsr.__version__, native, library), "-Werror"])
        os.environ["ADCVSR_PLUGIN"] = str(library)
        vsadcvsr.load()
    return Path(vs.core.adcvsr.plugin_path)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = vs.core.num_threads
    vs.core.num_threads = 2
    yield
    vs.core.num_threads = before


@pytest.fixture
def mean_engine(monkeypatch: pytest.MonkeyPatch) -> type[MeanEngine]:
    """Every filter made in this test runs on a `MeanEngine`."""
    monkeypatch.setattr("vsadcvsr.plugin.Engine", MeanEngine)
    return MeanEngine
