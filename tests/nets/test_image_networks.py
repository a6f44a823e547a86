"""Image networks that spandrel loads: their facts, their output, and what is refused."""

from __future__ import annotations

import os
import pickle
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.evaluate.waves import picture
from tests.requirements import requires
from vsadcvsr import backends
from vsadcvsr.backends.pytorch.backend import TorchBackend, TorchOptions
from vsadcvsr.engine import Engine, InputFrame
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.spec import Array, ModelSpec
from vsadcvsr.tiling import TileOptions

requires("spandrel")

torch.set_num_threads(1)


def compact(path: Path, scale: int = 4, seed: int = 0) -> Path:
    """A tiny SRVGGNetCompact (Real-ESRGAN's video network) with random weights."""
    drawn = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    channels = [3, 8, 8, 3 * scale**2]
    for index, (before, after) in enumerate(pairwise(channels)):
        state[f"body.{2 * index}.weight"] = torch.randn(after, before, 3, 3, generator=drawn) * 0.05
        state[f"body.{2 * index}.bias"] = torch.zeros(after)
        if index < 2:
            state[f"body.{2 * index + 1}.weight"] = torch.full((after,), 0.2)
    if path.suffix == ".pth":
        torch.save({"params": state}, path)
    else:
        save_file(state, path)
    return path


def esrgan_x1(path: Path) -> Path:
    """A tiny ESRGAN whose input is unshuffled by four, so that its sides are multiples of four."""
    from spandrel.architectures.ESRGAN import ESRGAN

    net = ESRGAN(in_nc=48, out_nc=3, num_filters=4, num_blocks=1, scale=4, shuffle_factor=4)
    torch.save(net.state_dict(), path)
    return path


def output(path: Path, frame: Array, **options: Any) -> Array:
    return next(Engine.open(path, **options).stream([frame]))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_network_is_known_by_its_tensors_and_runs_as_spandrel_runs_it(suffix: str, tmp_path: Path) -> None:
    from spandrel import ModelLoader

    path = compact(tmp_path / f"tiny{suffix}")
    backend = backends.load(path)
    assert backend.label == "torch/cpu/fp32"
    assert (backend.spec.name, backend.spec.scale, backend.spec.lookahead) == ("tiny", 4, 0)
    assert backend.spec.precisions == ("fp32", "fp16", "bf16")
    frame = picture(9, 14)
    expected = ModelLoader().load_from_file(path)(torch.from_numpy(frame)[None])[0].numpy()
    np.testing.assert_allclose(output(path, frame), expected, atol=1e-6)


def test_a_multiple_a_minimum_and_a_halved_size_are_obeyed(tmp_path: Path) -> None:
    path = esrgan_x1(tmp_path / "denoise.pth")
    spec = backends.load(path).spec
    assert (spec.scale, spec.multiple) == (1, 4)
    assert spec.padded(9, 14) == (12, 16)


def test_bf16_is_near_fp32(tmp_path: Path) -> None:
    path, frame = compact(tmp_path / "tiny.safetensors"), picture(9, 14)
    assert 0 < abs(output(path, frame) - output(path, frame, precision="bf16")).max() < 0.02


def test_tiles_and_order_give_the_frames_of_one_pass(tmp_path: Path) -> None:
    path, frames = compact(tmp_path / "tiny.pth"), [picture(40, 150) * np.float32(n / 4) for n in range(4)]
    whole = list(Engine.open(path).stream(frames))
    tiled = list(Engine.open(path, tile=[80, 80]).stream(frames))
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    engine = Engine.open(path, capacity=1)
    for n in (3, 0, 2, 1):
        np.testing.assert_array_equal(engine.render(n, lambda i: InputFrame(frames[i])), whole[n])


def test_what_looks_at_whole_frames_is_not_tiled() -> None:
    spec = ModelSpec(name="whole", lookahead=0, tiling="refused")
    with pytest.raises(ValueError, match=r"tile is \[64, 64\], allowed: none for model 'whole'"):
        TileOptions.checked(spec, [64, 64], None)


def test_tiles_of_a_network_that_discourages_them_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    spec = ModelSpec(name="window", lookahead=0, reach=None, tiling="discouraged")
    assert TileOptions.checked(spec, [128, 128], None)
    assert [record.getMessage() for record in caplog.records] == [
        "model 'window' sees farther than tiles overlap: they change its output, and may show"
    ]


def test_no_cuda_graphs_are_captured_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TorchOptions, "for_device", lambda _: TorchOptions(cuda_graphs=True))
    backend = backends.load(compact(tmp_path / "tiny.pth"))
    assert isinstance(backend, TorchBackend)
    assert not backend._options.cuda_graphs


class Code:
    """What runs a command when it is unpickled in the usual way."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._mark}",)


@pytest.mark.parametrize("form", ["archive", "legacy", "bare pickle", "beside weights"])
def test_code_in_a_pickle_is_refused_and_does_not_run(form: str, tmp_path: Path) -> None:
    path, mark = tmp_path / "net.pth", tmp_path / "mark"
    if form == "bare pickle":
        path.write_bytes(pickle.dumps({"weight": Code(mark)}))
    else:
        weights = torch.load(compact(tmp_path / "good.pth")) if form == "beside weights" else {}
        torch.save({**weights, "code": Code(mark)}, path, _use_new_zipfile_serialization=form != "legacy")
    with pytest.raises(WeightsError) as caught:
        backends.load(path)
    assert not mark.exists()
    assert "\n" not in str(caught.value)
    assert ("posix.system); nothing of it was run" in str(caught.value)) == (form != "bare pickle")


def test_what_is_no_such_network_is_one_line(tmp_path: Path) -> None:
    good = compact(tmp_path / "good.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(good[: len(good) // 2])
    (tmp_path / "image.pth").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (tmp_path / "code.pth").write_text("import os\n")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    compact(tmp_path / "eight.safetensors", scale=8)
    with pytest.warns(FutureWarning):
        torch.jit.trace(  # type: ignore[no-untyped-call]  # torch has none
            torch.nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 4, 4)
        ).save(tmp_path / "script.pth")
    for name, words in {
        "cut.pth": "cannot be read as weights",
        "image.pth": r"cannot be read as weights \(no pickle of tensors\); it is truncated or another kind of file$",
        "code.pth": r"cannot be read as weights \(no pickle of tensors\); it is truncated or another kind of file$",
        "script.pth": "cannot be read as weights",
        "list.pth": "holds no tensors by name, but a list",
        "other.safetensors": r"is no network that spandrel knows: Unsupported.*; export it to \.onnx$",
        "eight.safetensors": r"is a network \(RealESRGAN Compact\) that enlarges by 8, allowed: 1, 2, 3, 4$",
    }.items():
        with pytest.raises(WeightsError, match=words) as caught:
            backends.load(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(WeightsError, match=r"does not run on backend 'ort', allowed: \.onnx"):
        Engine.open(tmp_path / "good.pth", backend="ort")


def test_without_spandrel_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compact(tmp_path / "net.pth")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(
        BackendError,
        match=r"^net\.pth, which AdcVSR did not write, needs spandrel; run `pip install 'vsadcvsr\[spandrel\]'`$",
    ):
        backends.load(path)
