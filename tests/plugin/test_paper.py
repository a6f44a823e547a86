"""The paper's network as users reach it: by the path of a weights file."""

from __future__ import annotations

import numpy as np
import pytest
import vapoursynth as vs

from tests.engine.test_paper import Direct
from tests.nets.paper.small_paper import SHALLOW, WHOLE, student
from tests.plugin.clips import moving
from vsadcvsr.engine import Engine
from vsadcvsr.engine.runner import EngineOptions
from vsadcvsr.nets.paper.config import PaperDims
from vsadcvsr.nets.weights_file import save_weights


def written(dims: PaperDims, factory: pytest.TempPathFactory) -> str:
    path = factory.mktemp("paper") / "paper.safetensors"
    save_weights(student(dims), path)
    return str(path)


def test_the_engine_opens_it_with_its_facts_and_streams(tmp_path_factory: pytest.TempPathFactory) -> None:
    frames = np.random.default_rng(1).random((3, 3, 7, 9), np.float32)
    opened = Engine.open(written(SHALLOW, tmp_path_factory), device="cpu", threads=1)
    direct = Engine(Direct(student(SHALLOW)), EngineOptions(color_fix="frame"))
    assert opened.spec == SHALLOW.spec
    np.testing.assert_allclose(np.stack(list(opened.stream(frames))), np.stack(list(direct.stream(frames))), atol=2e-5)


def test_the_filter_runs_the_whole_topology(tmp_path_factory: pytest.TempPathFactory) -> None:
    clip = moving(format=vs.YUV420P8, length=2)
    model = written(WHOLE, tmp_path_factory)
    output = vs.core.adcvsr.Upscale(clip, model=model, backend="torch", device="cpu", threads=1)
    assert (output.width, output.height, output.format.id) == (4 * clip.width, 4 * clip.height, vs.YUV420P8)
    assert np.asarray(output.get_frame(1)[0]).std() > 1
