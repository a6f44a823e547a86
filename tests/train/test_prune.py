"""Smaller students that compute what a larger one does, without what never acts in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.nets.test_temporal import TINY, student
from tests.train.tiny import HALF_SIZE, fill_pool
from vsadcvsr.errors import UsageError
from vsadcvsr.nets.compact import CompactDims, CompactStudent
from vsadcvsr.nets.weights_file import load_weights, save_weights
from vsadcvsr.train.prune import choose, main, prune, without_blocks
from vsadcvsr.train.students import STUDENTS
from vsadcvsr.train.units import contributions

LARGE = replace(TINY, name="large", blocks=4, sites=(0, 2, 3))
SMALL = replace(TINY, name="small", blocks=2, inner=(6, 2), sites=(0, 1))
CLIPS = [torch.rand(4, 3, 16, 24, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]


def idle() -> CompactStudent:
    """A student of which blocks 1 and 3, the temporal block after 2 and four units of block 2 never act."""
    net = student(dims=LARGE)
    for name in ("blocks.1.first", "blocks.3.first", "temporal.2.first.taps"):
        silence(net, name)
    for unit in (0, 2, 3, 5):
        silence(net, "blocks.2.first", unit)
    return net


def layer(net: CompactStudent, name: str) -> nn.Conv2d:
    found = net.get_submodule(name)
    assert isinstance(found, nn.Conv2d)
    return found


def silence(net: CompactStudent, name: str, units: slice | int = slice(None)) -> None:
    """Keeps units of a layer below zero."""
    bias = layer(net, name).bias
    assert bias is not None
    bias.data[units] = -100


def output(net: CompactStudent) -> torch.Tensor:
    images: torch.Tensor = net(CLIPS[0], torch.tensor([0.0, 1, 0, 1]))
    return images


@torch.no_grad()
def test_the_smaller_student_computes_the_same() -> None:
    large = idle()
    kept = choose(contributions(large, CLIPS), LARGE, SMALL)
    assert (kept.blocks, kept.sites) == ((0, 2), (0, 3))
    assert kept.units[1].tolist() == [1, 4]
    small = prune(large, kept, SMALL)
    assert small.dims == SMALL
    assert output(large).std() > 0.01
    torch.testing.assert_close(output(small), output(large), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_channel_with_the_least_contribution_is_pruned() -> None:
    large = idle()
    silence(large, "blocks.2.first", 1)
    layer(large, "blocks.2.second").weight[:, 4] *= 0.01
    kept = choose(contributions(large, CLIPS), LARGE, replace(SMALL, inner=(6, 1)))
    assert kept.units[1].tolist() == [4]


def test_the_contribution_is_that_to_the_features() -> None:
    net = student(dims=LARGE)
    seen: list[torch.Tensor] = []
    second = layer(net, "blocks.1.second")
    second.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    measured = contributions(net, CLIPS[:1])
    unit, weights = seen[0][:, 3], second.weight[:, 3]
    torch.testing.assert_close(measured["blocks.1"][3], unit.square().mean().sqrt() * weights.norm())
    assert measured.keys() == {*(f"blocks.{index}" for index in range(4)), "temporal.0", "temporal.2", "temporal.3"}


@pytest.mark.parametrize(
    ("dims", "words"),
    [
        (replace(SMALL, width=3), "may differ in blocks, inner and sites alone"),
        (replace(SMALL, blocks=5, inner=()), "may differ in blocks, inner and sites alone"),
        (replace(SMALL, inner=(7, 2)), "more than the blocks 0, 2 of large"),
        (replace(SMALL, sites=(0,)), "sites must be these among the blocks 0, 2"),
    ],
)
def test_what_is_no_part_is_refused(dims: CompactDims, words: str) -> None:
    large = idle()
    silence(large, "temporal.0.first.taps")
    with pytest.raises(UsageError, match=words):
        choose(contributions(large, CLIPS), LARGE, dims)


def test_a_bias_needs_a_block_to_go_into() -> None:
    large = idle()
    silence(large, "blocks.0.first")
    dims = replace(SMALL, blocks=1, inner=(2,), sites=())
    measured = {name: units * ("blocks.2" in name) for name, units in contributions(large, CLIPS).items()}
    with pytest.raises(UsageError, match="the first block does not act"):
        prune(large, choose(measured, LARGE, dims), dims)


@torch.no_grad()
def test_without_blocks_the_mean_of_what_they_add_is_kept() -> None:
    """With weights of zero before the upsampling what the blocks add is the same everywhere: nothing else changes."""
    large = student(dims=LARGE)
    layer(large, "upsample").weight.zero_()
    bias = layer(large, "upsample").bias
    assert bias is not None
    bias.copy_(torch.randn(TINY.width).repeat_interleave(4))
    small = without_blocks(large, HALF_SIZE, CLIPS)
    assert small.dims == HALF_SIZE
    assert output(large).std() > 0.01
    torch.testing.assert_close(output(small), output(large), atol=1e-5, rtol=0)


def test_a_student_without_blocks_of_other_dimensions_is_refused() -> None:
    with pytest.raises(UsageError, match="wide has no blocks, and is no other part of large: width, refine"):
        without_blocks(student(dims=LARGE), replace(HALF_SIZE, name="wide", width=5), CLIPS)


def test_the_command_leaves_the_blocks_out_of_a_student_for_a_model_without_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STUDENTS, "half", HALF_SIZE)
    save_weights(idle(), tmp_path / "own.safetensors")
    command = [str(tmp_path / "own.safetensors"), "--model", "half", "--pool", str(fill_pool(tmp_path / "pool"))]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert load_weights(tmp_path / "out" / "own.safetensors").dims == HALF_SIZE


def test_the_command_writes_both_ends_with_the_same_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(STUDENTS, "small", replace(SMALL, refine=SMALL.refine + 2))  # prune keeps the old number
    pool, out = fill_pool(tmp_path / "pool"), tmp_path / "out"
    files = [tmp_path / name for name in ("own.safetensors", "own-restore.safetensors")]
    restoring = idle()
    restoring.head.weight.data.mul_(0.5)
    for net, file in zip((idle(), restoring), files, strict=True):
        save_weights(net, file)
    command = [str(files[0]), "--restoring", str(files[1]), "--model", "small", "--pool", str(pool), "--out", str(out)]
    assert main(command) == 0
    first, second = (load_weights(out / file.name) for file in files)
    assert isinstance(first, CompactStudent)
    assert isinstance(second, CompactStudent)
    assert first.dims == second.dims == SMALL
    weights = (layer(net, "blocks.1.first").weight for net in (first, second))
    torch.testing.assert_close(*weights, atol=0, rtol=0)
    assert "parameters" in capsys.readouterr().out


def test_another_family_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_weights(idle(), tmp_path / "own.safetensors")
    command = [str(tmp_path / "own.safetensors"), "--model", "paper", "--pool", "gone", "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "allowed: fast, base" in capsys.readouterr().err
