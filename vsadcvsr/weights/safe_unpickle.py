"""Reading of torch checkpoints without executing anything in them.

Such a file is a zip archive of one pickle and the data of each tensor. A pickle can call any function by name; here
only those that build tensors are allowed, and are replaced by ours. Training frameworks store objects of their own
classes in checkpoints: these become inert placeholders. Any other name is refused.
"""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np

from vsadcvsr.errors import WeightsError, one_line
from vsadcvsr.spec import Array

_MAX_PICKLE = 64 << 20
"""Bytes of the largest pickle that is looked at; those of real checkpoints have less than one MiB."""

_FLOATS = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2"}
_BFLOAT16 = "BFloat16Storage"  # the upper halves of fp32; numpy has no such type
_OTHERS = (_BFLOAT16, "LongStorage", "IntStorage", "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage")

_INERT = {
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("torch", "device"),
}
_INERT_PACKAGES = ("pytorch_lightning", "lightning", "lightning_fabric")

_DAMAGE = (
    pickle.UnpicklingError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, OSError,
    OverflowError, RecursionError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Exceptions of damaged or forged files."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that is still in its file, as a view of a storage. Equal ones have the same data."""

    storage: str
    storage_type: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def last(self) -> int:
        """One past the last number that it has of its storage."""
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        return self.offset + reach + 1 if prod(self.shape) else self.offset


class _Placeholder:
    """Placeholder for an object that is not needed."""

    def __new__(cls, *_: object, **__: object) -> Self:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def __init__(self, pickled: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(pickled))
        self._path = path

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - whatever a pickle asks for
        if module == "torch" and name in {*_FLOATS, *_OTHERS}:
            return name
        if (allowed := _KNOWN.get((module, name))) is not None:
            return allowed
        if (module, name) in _INERT or module.partition(".")[0] in _INERT_PACKAGES:
            return _Placeholder
        raise WeightsError(
            f"{self._path} would run {module}.{name}, which weights do not need; nothing of it was run; "
            "download the file again from its publisher"
        )

    def persistent_load(self, pid: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever a pickle asks for
        word, storage_type, key, _, _ = pid
        if word != "storage" or not isinstance(storage_type, str) or not isinstance(key, str):
            raise ValueError(f"{pid} is no storage")
        return key, storage_type


def _tensor(
    storage: tuple[str, str], offset: int, shape: Sequence[int], strides: Sequence[int], *_: object
) -> StoredTensor:
    key, storage_type = storage
    return StoredTensor(key, storage_type, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _parameter(tensor: StoredTensor, *_: object) -> StoredTensor:
    return tensor


_KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class TorchFile:
    """A file that `torch.save` made: `content` is what was saved, with a `StoredTensor` for each tensor.

    Raises WeightsError for any other file, and for one that asks for more than weights need.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
        except zipfile.BadZipFile as error:
            raise WeightsError(
                f"{path} is no file that torch 1.6 or later saved, or has lost its end; give the .pkl or .ckpt as it "
                "was published"
            ) from error
        try:
            self._root, self.content = self._opened()
        except _DAMAGE as error:
            self.close()
            raise self._damaged(error) from error
        except WeightsError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._archive.close()

    def array(self, stored: StoredTensor) -> Array:
        """The numbers of a tensor, in memory order. Raises WeightsError if they are not there, or no fractions."""
        try:
            data = self._archive.read(f"{self._root}data/{stored.storage}")
            flat = _numbers(data, stored.storage_type)
            if min(stored.offset, *stored.shape, *stored.strides, 0) < 0 or stored.last > len(flat):
                raise ValueError(f"a tensor of {stored.shape} is beyond its {len(flat)} numbers")
            steps = [stride * flat.itemsize for stride in stored.strides]
            view = np.lib.stride_tricks.as_strided(flat[stored.offset :], stored.shape, steps, writeable=False)
            return np.ascontiguousarray(view, np.float32)
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def _opened(self) -> tuple[str, object]:
        names = [name for name in self._archive.namelist() if name.endswith("data.pkl")]
        if len(names) != 1:
            raise ValueError(f"it has {len(names)} data.pkl inside, not one")
        root = names[0].removesuffix("data.pkl")
        if self._archive.getinfo(names[0]).file_size > _MAX_PICKLE:
            raise ValueError(f"its data.pkl is larger than {_MAX_PICKLE >> 20} MiB")
        order = f"{root}byteorder"
        if order in self._archive.namelist() and self._archive.read(order) != b"little":
            raise ValueError("its numbers are not in little-endian order")
        return root, _Unpickler(self._archive.read(names[0]), self.path).load()

    def _damaged(self, error: Exception) -> WeightsError:
        message = one_line(error, 200) or type(error).__name__
        return WeightsError(f"{self.path} is damaged or no weights file ({message}); download or copy it again")


def _numbers(data: bytes, storage_type: str) -> Array:
    if storage_type == _BFLOAT16:
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    if storage_type not in _FLOATS:
        raise ValueError(f"a tensor of {storage_type}, where fractions are meant")
    flat: Array = np.frombuffer(data, _FLOATS[storage_type])
    return flat
