"""What each stage learns from, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.nets.test_temporal import student as random_student
from tests.train.tiny import TINY, equal, fill_pool
from vsadcvsr.engine import Engine
from vsadcvsr.errors import UsageError
from vsadcvsr.nets.efficientnet import Trunk
from vsadcvsr.nets.export import load_weights, save_weights
from vsadcvsr.train import stage_base
from vsadcvsr.train.adversarial import setup
from vsadcvsr.train.clip_batch import ClipBatch
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.data.shards import write_shard
from vsadcvsr.train.loop import TrainingRun
from vsadcvsr.train.publish import publish
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.students import links


def test_both_stages_change_the_student(settings: TrainSettings) -> None:
    first = TrainingRun(replace(settings, adversarial=None))
    start = {name: value.clone() for name, value in first.ema.items()}
    first.run()
    both = TrainingRun(settings)
    both.run()
    assert not equal(start, first.ema)
    assert not equal(first.ema, both.ema)


@pytest.mark.parametrize("domains", [(), ("pixel",), ("feature",)])
@pytest.mark.parametrize("heads", ["single", "dual"])
def test_any_arrangement_of_discriminators_runs(settings: TrainSettings, domains: tuple[str, ...], heads: str) -> None:
    assert settings.adversarial
    stage = replace(settings.adversarial, domains=domains, heads=heads, steps=2)
    run = TrainingRun(replace(settings, regression=replace(settings.regression, steps=0), adversarial=stage))
    run.run()
    assert all(torch.isfinite(value).all() for value in run.ema.values())


@pytest.mark.parametrize("scale", [1, 2])
def test_both_stages_train_students_of_any_scale(settings: TrainSettings, scale: int, tmp_path: Path) -> None:
    begin = tmp_path / "begin.safetensors"
    save_weights(random_student(dims=TINY), begin)
    scaled = replace(settings, scale=scale, begin=begin, pool=fill_pool(tmp_path / f"x{scale}", scale=scale))
    run = TrainingRun(scaled)
    assert equal({"upsample.bias": run.ema["upsample.bias"]}, load_weights(begin).state_dict())
    run.run()
    assert all(torch.isfinite(value).all() for value in run.ema.values())
    weights, graph, card = publish(run, tmp_path / "out")
    assert [path.name for path in (weights, graph, card)] == [
        f"tiny-x{scale}{suffix}" for suffix in (".safetensors", ".onnx", ".md")
    ]
    assert Engine.open(graph).spec.scale == load_weights(weights).spec.scale == scale
    with pytest.raises(UsageError, match=r"^scale is 4, allowed: \d"):
        TrainingRun(replace(settings, pool=scaled.pool, out=tmp_path / "other")).run()


def test_temporal_blocks_can_learn_alone(settings: TrainSettings) -> None:
    run = TrainingRun(replace(settings, temporal_only=True, adversarial=None))
    run.run()
    learning = {name.split(".")[0] for name, value in run.student.named_parameters() if value.requires_grad}
    assert learning == {"temporal", "late_temporal"}
    assert len(run.stage.optimiser.param_groups[0]["params"]) == 8


def test_frames_that_are_cut_apart_teach_nothing_about_neighbours(settings: TrainSettings) -> None:
    run = TrainingRun(replace(settings, adversarial=None, regression=replace(settings.regression, cuts=1.0)))
    taps = {name: value for name, value in run.student.named_parameters() if name.endswith("taps.weight")}
    before = {name: value.detach().clone() for name, value in taps.items()}
    run.run()
    for name, value in taps.items():
        previous, own, following = (value.detach() - before[name]).chunk(3, 1)
        assert not previous.any()
        assert not following.any()
        assert own.any() or ".first." in name  # the first layer learns once the second is not zero any more


def test_a_share_of_clips_is_cut_apart_and_of_the_others_as_large_a_share_is_cut_once() -> None:
    low = torch.zeros(4000, 5, 3, 1, 1)
    whole = ClipBatch(low, low, low, links(4000, 5))
    linked = whole.with_cuts(0.25, np.random.default_rng(1)).links.view(4000, 5)
    assert equal({"": whole.links}, {"": links(4000, 5)})
    assert not linked[:, 0].any()
    counts = linked.sum(1).int().bincount(minlength=5) / 4000
    assert counts[[1, 2]].tolist() == [0, 0]
    assert counts[0].item() == pytest.approx(0.25, abs=0.02)
    assert counts[3].item() == pytest.approx(0.75 * 0.25 * 0.8, abs=0.02)  # a fifth of the cuts are where clips begin


def test_the_teachers_answer_is_what_is_learned(settings: TrainSettings) -> None:
    truth = np.load(settings.pool / "0000.hr.npy")
    write_shard(settings.pool, 0, "gray", np.full_like(truth, 128))
    run = TrainingRun(replace(settings, teacher="gray", adversarial=None))
    (drawn,) = run.stage.draw_samples(Dataset(settings.pool, teacher="gray"), 0)["student"]
    assert np.ptp(drawn.target) == 0
    assert np.ptp(drawn.truth) > 0.5


def test_features_are_learned_from_where_they_have_a_weight(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Trunk()
    monkeypatch.setattr(stage_base, "trunk", lambda: network)
    losses = []
    for weight in (0.0, 0.5):
        run = TrainingRun(
            replace(settings, adversarial=None, regression=replace(settings.regression, perceptual=weight))
        )
        losses.append(run.stage.train_step(0, run.stage.draw_samples(Dataset(settings.pool), 0))["regression"])
    assert losses[1] > losses[0]
    assert all(value.grad is None for value in network.parameters())


@pytest.mark.parametrize("number", [0, 1])
def test_each_stage_learns_to_move_with_its_input(settings: TrainSettings, tmp_path: Path, number: int) -> None:
    pool, weights = fill_pool(tmp_path / "larger", side=24), []
    for weight in (0.0, 0.5):
        assert settings.adversarial
        first = replace(settings.regression, shift=weight, crop=24, steps=2 - 2 * number)
        second = replace(settings.adversarial, shift=weight, crop=24, steps=2) if number else None
        out = settings.out / str(weight)
        run = TrainingRun(replace(settings, pool=pool, out=out, regression=first, adversarial=second))
        run.run()
        weights.append(run.student.state_dict())
    assert not equal(*weights)


def test_what_discriminators_do_not_see_changes_what_is_learned(settings: TrainSettings) -> None:
    weights = []
    for comb in (False, True):
        assert settings.adversarial
        stage = replace(settings.adversarial, comb=comb, domains=("pixel",), steps=2)
        out = settings.out / str(comb)
        run = TrainingRun(
            replace(settings, out=out, regression=replace(settings.regression, steps=0), adversarial=stage)
        )
        run.run()
        weights.append(run.student.state_dict())
    assert not equal(*weights)


def test_a_pretrained_trunk_discriminates_and_stays_as_it_is(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Trunk()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    monkeypatch.setattr(setup, "trunk", lambda: network)
    monkeypatch.setattr(stage_base, "trunk", lambda: network)
    assert settings.adversarial
    stage = replace(settings.adversarial, domains=("pixel",), trunk="efficientnet", perceptual=0.1, steps=1)
    run = TrainingRun(replace(settings, regression=replace(settings.regression, steps=0), adversarial=stage))
    start = {name: value.clone() for name, value in run.ema.items()}
    run.run()
    assert not equal(start, run.ema)
    assert equal(before, network.state_dict())


def test_features_are_compared_at_every_place_of_the_trunks_grid(settings: TrainSettings) -> None:
    stage = TrainingRun(settings).stage
    corners = [stage.trunk_corner(step, 0) for step in range(400)]
    assert {row for row, _ in corners} == {column for _, column in corners} == set(range(32))
    assert stage.trunk_corner(7, 0) == corners[7]
    assert stage.trunk_corner(7, 1) != corners[7]
