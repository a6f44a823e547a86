"""Checkpoints become weights files, and whatever is wrong with them is told by its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.nets import test_temporal
from tests.nets.paper import small_paper
from tests.weights import official_files
from tests.weights.official_files import SMALL, Tensors, save_decoder, save_net
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets import weights_file
from vsadcvsr.nets.paper.config import IMAGE
from vsadcvsr.weights import adcsr_keys
from vsadcvsr.weights.convert import convert


def converted(folder: Path, net: Tensors | None = None, decoder: dict[str, torch.Tensor] | None = None) -> Path:
    out = folder / "out.safetensors"
    pair = [save_net(folder / "net_params_200.pkl", net), save_decoder(folder / "halfDecoder.ckpt", decoder)]
    convert(pair, out, candidates=[SMALL])
    return out


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, torch.Tensor]:
    """The tensors of a converted file."""
    return weights_file.load_weights(converted(tmp_path_factory.mktemp("converted"))).state_dict()


def test_the_official_layout_has_the_published_counts() -> None:
    unet, middle = official_files.unet_shapes(IMAGE), official_files.middle_shapes(IMAGE.decoder[0])
    assert sum(np.prod(shape) for shape in (*unet.values(), *middle.values())) == 446_321_744
    empty = [{name: torch.empty(0) for name in shapes} for shapes in (unet, middle)]
    net = official_files.net_of(empty[0], empty[1])
    unique, repeats = adcsr_keys.deduplicated(net)
    assert (len(net), len(unique), len(repeats)) == (1_076, 552, 524)
    assert len(official_files.decoder_shapes(IMAGE)) == 138


def test_every_official_tensor_at_its_true_size_has_a_place_here() -> None:
    unet, middle = official_files.unet_shapes(IMAGE), official_files.middle_shapes(IMAGE.decoder[0])
    shapes = {adcsr_keys.net_name(f"body.1.{name}"): shape for name, shape in unet.items()}
    shapes |= {adcsr_keys.net_name(f"body.2.{name}"): shape for name, shape in middle.items()}
    tail = official_files.decoder_shapes(IMAGE)
    shapes |= {ours: shape for name, shape in tail.items() if (ours := adcsr_keys.decoder_name(f"decoder.{name}"))}
    assert shapes == weights_file.shapes(IMAGE)
    assert (len(shapes), sum(int(np.prod(shape)) for shape in shapes.values())) == (662, 456_073_683)


def test_the_two_official_files_become_one_that_runs(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    net = weights_file.load_weights(converted(tmp_path))
    assert net.dims == SMALL
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 16, 32), torch.zeros(1)).shape == (1, 3, 64, 128)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv_in.weight", "unet.stem.weight"),
        ("down_blocks.1.resnets.0.conv_shortcut.bias", "unet.down.1.layers.0.resnet.shortcut.bias"),
        ("down_blocks.0.attentions.1.proj_in.weight", "unet.down.0.layers.1.transformer.proj_in.weight"),
        ("up_blocks.1.attentions.2.transformer_blocks.0.attn1.to_q.weight",
         "unet.up.1.layers.2.transformer.attention.query.weight"),
        ("up_blocks.1.attentions.2.transformer_blocks.0.attn1.to_out.0.bias",
         "unet.up.1.layers.2.transformer.attention.out.bias"),
        ("mid_block.attentions.0.transformer_blocks.0.norm3.weight",
         "unet.middle.0.transformer.gate_norm.weight"),
        ("mid_block.resnets.1.norm2.bias", "unet.middle.1.resnet.norm2.bias"),
        ("up_blocks.3.attentions.0.transformer_blocks.0.ff.net.0.proj.weight",
         "unet.up.3.layers.0.transformer.gate.weight"),
        ("up_blocks.0.upsamplers.0.conv.weight", "unet.up.0.sampler.weight"),
    ],
)  # fmt: skip
def test_tensors_of_the_unet_go_where_they_belong(theirs: str, ours: str, written: Mapping[str, torch.Tensor]) -> None:
    wanted = official_files.small_net()[f"module.body.1.{theirs}"]
    torch.testing.assert_close(written[ours], wanted, atol=0, rtol=0)


def test_the_middle_is_of_the_net_and_the_tail_of_the_half_decoder(written: Mapping[str, torch.Tensor]) -> None:
    net, half = official_files.small_net(), official_files.small_decoder()
    middle = net["module.body.2.attentions.0.to_k.bias"]
    torch.testing.assert_close(written["decoder.middle.1.attention.key.bias"], middle, atol=0, rtol=0)
    tail = half["decoder.up_blocks.2.resnets.0.conv_shortcut.weight"]
    torch.testing.assert_close(written["decoder.stages.2.resnets.0.shortcut.weight"], tail, atol=0, rtol=0)


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    first = converted(tmp_path).read_bytes()
    pair = [tmp_path / "halfDecoder.ckpt", tmp_path / "net_params_200.pkl"]
    convert(pair, tmp_path / "again.safetensors", candidates=[SMALL])
    assert (tmp_path / "again.safetensors").read_bytes() == first


def _unlike(net: Tensors) -> None:
    key = "module.body.1.body.11.bias"
    net[key] = net[key] + 1


def _not_a_number(net: Tensors) -> None:
    net["module.body.1.conv_in.bias"][1] = torch.nan


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda net: net.pop("module.body.1.conv_in.bias"), r"unet\.stem\.bias is missing"),
        (lambda net: net.update({"module.body.1.conv_in.gain": torch.zeros(1)}), r"unet\.stem\.gain is not known"),
        (lambda net: net.update({"module.extra": torch.zeros(1)}), r"extra is not known"),
        (lambda net: net.update({"module.body.1.conv_in.bias": torch.zeros(5)}),
         r"unet\.stem\.bias is \(5,\), not \(4,\)"),
        (_unlike, r"module\.body\.1\.body\.11\.bias differs from body\.1\.conv_out\.bias"),
        (lambda net: net.pop("module.body.1.conv_out.bias"),
         r"module\.body\.1\.body\.11\.bias repeats body\.1\.conv_out\.bias, which is missing"),
        (lambda net: net.update({"module.body.1.body.40.bias": torch.zeros(1)}),
         r"body\.40\.bias repeats body\.1\.body\.40\.bias, which is missing"),
        (_not_a_number, r"unet\.stem\.bias holds NaN"),
    ],
    ids=["missing", "extra", "stranger", "shape", "differs", "repeats nothing", "repeats no stage", "NaN"],
)  # fmt: skip
def test_each_damaged_tensor_is_named_and_nothing_is_written(
    damage: Callable[[Tensors], object], message: str, tmp_path: Path
) -> None:
    net = official_files.small_net()
    damage(net)
    with pytest.raises(WeightsError, match=message):
        converted(tmp_path, net)
    assert not list(tmp_path.glob("*.safetensors*"))


def test_repetitions_that_are_copies_are_no_damage(tmp_path: Path) -> None:
    net = official_files.small_net()
    for name in net:
        net[name] = net[name].clone()
    assert converted(tmp_path, net).exists()


def test_a_missing_tensor_of_the_decoder_is_reported(tmp_path: Path) -> None:
    half = official_files.small_decoder()
    del half["decoder.up_blocks.3.resnets.2.conv1.weight"]
    with pytest.raises(WeightsError, match=r"decoder\.stages\.3\.resnets\.2\.conv1\.weight is missing"):
        converted(tmp_path, None, half)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrap", [lambda tensors: tensors, lambda tensors: {"done": 3, "mean": tensors, "student": {}}])
def test_a_checkpoint_of_our_own_becomes_a_file(
    wrap: Callable[[dict[str, torch.Tensor]], object], prefix: str, tmp_path: Path
) -> None:
    for net in (small_paper.student(small_paper.SHALLOW), test_temporal.student()):
        tensors = {prefix + name: value for name, value in net.state_dict().items()}
        torch.save(wrap(tensors), tmp_path / "checkpoint.pt")
        out = tmp_path / "own.safetensors"
        converted = convert([tmp_path / "checkpoint.pt"], out, candidates=[small_paper.SHALLOW, test_temporal.TINY])
        assert (converted.name, converted.tensors) == (net.dims.name, len(tensors))
        assert weights_file.load_weights(out).dims == net.dims


@pytest.mark.parametrize(
    ("makers", "message"),
    [
        ((save_net,), "is one of two; give both net_params_200.pkl and halfDecoder.ckpt"),
        ((save_decoder,), "is one of two"),
        ((save_net, save_net), "are not net_params_200.pkl and halfDecoder.ckpt"),
        ((save_net, save_decoder, save_net), "files are given"),
        ((), "files are given"),
    ],
    ids=["net alone", "decoder alone", "two nets", "three", "none"],
)
def test_files_that_make_no_pair_are_refused(
    makers: tuple[Callable[[Path], Path], ...], message: str, tmp_path: Path
) -> None:
    sources = [maker(tmp_path / f"{index}.pkl") for index, maker in enumerate(makers)]
    with pytest.raises((WeightsError, UsageError), match=message):
        convert(sources, tmp_path / "out.safetensors", candidates=[SMALL])


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pkl")
    with pytest.raises(WeightsError, match=r"list\.pkl holds no tensors by name"):
        convert([tmp_path / "list.pkl"], tmp_path / "out.safetensors")


def test_the_result_must_be_named_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not end in \.safetensors"):
        convert([tmp_path / "a.pkl"], tmp_path / "out.pth")
