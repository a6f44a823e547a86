"""Files of torch's are read as they were written, and nothing in them is run."""

from __future__ import annotations

import contextlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.weights.official_files import save_decoder
from vsadcvsr.errors import WeightsError
from vsadcvsr.weights.safe_unpickle import StoredTensor, TorchFile


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_numbers_come_out_as_torch_has_them(kind: torch.dtype, tmp_path: Path) -> None:
    tensor = torch.randn(3, 4).to(kind)
    with TorchFile(saved({"w": tensor}, tmp_path / "w.pkl")) as file:
        assert isinstance(file.content, dict)
        np.testing.assert_array_equal(file.array(file.content["w"]), tensor.float().numpy())


@pytest.mark.parametrize(
    "view",
    [
        lambda w: w[1:, ::2],
        lambda w: w.t(),
        lambda w: w[0, 0],
        lambda w: w[:0],
        lambda w: w.expand(2, 3, 4),
        torch.nn.Parameter,
    ],
    ids=["strided", "turned", "single", "empty", "repeated", "parameter"],
)
def test_parts_of_a_storage_come_out_as_torch_has_them(view: Callable[[Any], Any], tmp_path: Path) -> None:
    tensor = view(torch.randn(3, 4))
    with TorchFile(saved([tensor], tmp_path / "w.pkl")) as file:
        assert isinstance(file.content, list)
        np.testing.assert_array_equal(file.array(file.content[0]), tensor.detach().numpy())


def test_the_same_numbers_are_equal_before_they_are_read(tmp_path: Path) -> None:
    tensor = torch.randn(3)
    with TorchFile(saved([tensor, tensor, tensor.clone()], tmp_path / "w.pkl")) as file:
        assert isinstance(file.content, list)
        first, equal, other = file.content
    assert first == equal
    assert first != other


def test_objects_of_a_training_framework_do_nothing(tmp_path: Path) -> None:
    with TorchFile(save_decoder(tmp_path / "half.ckpt")) as file:
        assert isinstance(file.content, dict)
        assert all(isinstance(value, StoredTensor) for value in file.content["state_dict"].values())


class _Evil:
    def __init__(self, call: Callable[..., object], *given: object) -> None:
        self.call, self.given = call, given

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call, self.given


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (os.system, r"(posix|nt)\.system"),
        (eval, r"(builtins|__builtin__)\.eval"),
        (getattr, r"(builtins|__builtin__)\.getattr"),
    ],
    ids=["system", "eval", "getattr"],
)
def test_a_file_that_calls_something_is_refused_and_not_run(
    call: Callable[..., object], message: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    calls = {os.system: (f"echo > {trace}",), eval: (f"open({str(trace)!r}, 'w')",), getattr: (trace, "touch")}[call]
    path = saved({"w": torch.zeros(2), "x": _Evil(call, *calls)}, tmp_path / "evil.pkl")
    with pytest.raises(WeightsError, match=rf"evil\.pkl would run {message}, which weights do not need"):
        TorchFile(path)
    assert not trace.exists()


def test_the_file_that_is_refused_would_have_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = saved(_Evil(os.system, f"echo > {trace}"), tmp_path / "evil.pkl")
    torch.load(path, weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps(_Evil(os.getcwd))])
def test_what_is_no_archive_is_refused_unread(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.pkl"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pkl is no file that torch 1\.6 or later saved"):
        TorchFile(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        TorchFile(tmp_path / "none.pkl")


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"w/{name.replace('_', '.')}", content)
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "has 0 data.pkl"),
        ({"data_pkl": b"\x80\x02"}, "damaged"),
        ({"data_pkl": pickle.dumps(1), "byteorder": b"big"}, "little-endian"),
        ({"data_pkl": b"\x80\x02\x8a\x04wxyzQ."}, "damaged"),
    ],
    ids=["no pickle", "cut off", "big-endian", "strange storage"],
)
def test_archives_of_something_else_are_refused(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=message):
        TorchFile(archive(tmp_path / "w.pkl", **members))


def test_numbers_that_have_changed_are_noticed(tmp_path: Path) -> None:
    path = saved({"w": torch.full((64,), 0.1)}, tmp_path / "w.pkl")
    content = path.read_bytes()
    path.write_bytes(content.replace(np.float32(0.1).tobytes() * 8, np.float32(0.2).tobytes() * 8, 1))
    with TorchFile(path) as file, pytest.raises(WeightsError, match="CRC"):
        file.array(file.content["w"])  # type: ignore[index]  # a dict, as saved


@pytest.mark.parametrize(
    "stored",
    [
        StoredTensor("0", "FloatStorage", 0, (65,), (1,)),
        StoredTensor("0", "FloatStorage", -1, (2,), (1,)),
        StoredTensor("0", "FloatStorage", 8, (2, 2), (1, -4)),
        StoredTensor("0", "FloatStorage", 0, (2,), ()),
        StoredTensor("7", "FloatStorage", 0, (1,), (1,)),
        StoredTensor("0", "LongStorage", 0, (1,), (1,)),
    ],
    ids=["beyond", "before", "backwards", "no strides", "no storage", "integers"],
)
def test_a_tensor_that_is_not_in_its_storage_is_refused(stored: StoredTensor, tmp_path: Path) -> None:
    with (
        TorchFile(saved({"w": torch.zeros(64)}, tmp_path / "w.pkl")) as file,
        pytest.raises(WeightsError, match=r"w\.pkl is damaged"),
    ):
        file.array(stored)


@settings(max_examples=150, deadline=None)
@given(pickled=st.binary(max_size=40).map(lambda tail: b"\x80\x02" + tail))
def test_no_pickle_brings_anything_but_our_error(pickled: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = archive(tmp_path_factory.getbasetemp() / "w.pkl", data_pkl=pickled)
    with contextlib.suppress(WeightsError):
        TorchFile(path).close()
