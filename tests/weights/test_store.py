"""Models are found by name or path, and what cannot be trusted is refused in words."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import NoReturn

import pytest

from vsadcvsr.blending import SUFFIX
from vsadcvsr.errors import WeightsError
from vsadcvsr.weights import catalog, store


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A catalogue with one model in one file."""
    content = b"weights"
    (tmp_path / "little.onnx").write_bytes(content)
    table = tmp_path / "catalog.toml"
    table.write_text(
        '[little]\nabout = "A test"\nlookahead = 4\nmultiple = 4\nreach = 9\n'
        f'[little.files]\n"little.onnx" = "{hashlib.sha256(content).hexdigest()}"\n'
    )
    return table


def test_a_name_finds_its_file(table: Path) -> None:
    assert store.find("little", table=table) == table.with_name("little.onnx")


def test_a_changed_file_has_the_wrong_checksum(table: Path) -> None:
    table.with_name("little.onnx").write_bytes(b"tampered")
    with pytest.raises(WeightsError, match=r"'little': little\.onnx has the wrong checksum .* install"):
        store.find("little", table=table)


def test_a_file_that_changes_after_it_was_found_is_summed_again(table: Path) -> None:
    store.find("little", table=table)
    table.with_name("little.onnx").write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="checksum"):
        store.find("little", table=table)


def test_a_missing_file_of_the_catalogue_is_named(table: Path) -> None:
    table.with_name("little.onnx").unlink()
    with pytest.raises(WeightsError, match=r"little\.onnx is missing .* install"):
        store.find("little", table=table)


def test_a_model_without_a_file_for_a_backend_says_which_it_has(table: Path) -> None:
    with pytest.raises(WeightsError, match=r"no \.safetensors file, .* its files: little\.onnx"):
        store.find("little", (".safetensors",), table=table)


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(WeightsError, match=r"'fats' is not known, allowed: fast, .*did you mean 'fast'"):
        store.find("fats")


def test_the_restoring_weights_of_a_name_are_no_model_of_their_own(table: Path) -> None:
    with pytest.raises(WeightsError, match=r"^model 'little' has no restoring weights; leave denoise at 0$"):
        store.restoring("little", table=table)
    path = table.with_name("much-restore.safetensors")
    path.write_bytes(b"restoring")
    text = table.read_text().replace("[little", "[much")
    listed = f'"{path.name}" = "{store.checksum(path)}"\n'
    both = table.with_name("both.toml")
    both.write_text(text + listed)
    assert store.restoring("much", table=both) == path
    with pytest.raises(WeightsError, match=r"no \.safetensors file, .* its files: little\.onnx$"):
        store.find("much", (".safetensors",), table=both)
    path.write_bytes(b"tampered")
    with pytest.raises(WeightsError, match=r"much-restore\.safetensors has the wrong checksum .* install"):
        store.restoring("much", table=both)


def test_the_restoring_weights_of_a_file_are_next_to_it(tmp_path: Path) -> None:
    (tmp_path / "own.onnx").write_bytes(b"something")
    with pytest.raises(WeightsError, match=r"next to it \(own-restore\.safetensors\); leave denoise at 0"):
        store.restoring(tmp_path / "own.onnx")
    (tmp_path / "own-restore.safetensors").write_bytes(b"more")
    assert store.restoring(tmp_path / "own.onnx") == tmp_path / "own-restore.safetensors"


def test_a_built_in_model_has_no_file() -> None:
    assert store.find("nearest") == Path("nearest")


def test_a_file_of_the_users_own_is_taken_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(b"something")
    assert store.find(str(path)) == store.find(path) == path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.onnx", None, "does not exist"),
        ("sub/gone", None, "does not exist"),
        ("empty.onnx", b"", "is empty"),
        ("model.pt", b"x", r"is no model; give an \.onnx, \.safetensors or \.pth file"),
        (".", None, "is not a file"),
        (f"{'long' * 80}.onnx", None, "cannot be read: File name too long"),
    ],
)
def test_files_that_cannot_be_models_are_refused(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        store.find(tmp_path / name)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(b"something")

    def refuse(*_: object) -> NoReturn:  # as the system does, but for the superuser, who may run the tests
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WeightsError, match="cannot be read: Permission denied"):
        store.find(path)


def test_a_name_that_no_file_can_have_is_unknown() -> None:
    with pytest.raises(WeightsError, match="is not known, allowed: fast,"):
        store.find("long" * 80)


def test_every_file_that_ships_has_its_sum_and_says_what_the_catalogue_says() -> None:
    from vsadcvsr import backends

    for name, model in catalog.entries().items():
        for entry in model.by_scale:
            scale = entry.spec.scale
            for file, checksum in entry.files if not entry.url else ():
                if file.endswith(SUFFIX):
                    assert store.checksum(store.restoring(name, scale=scale)) == checksum
                else:
                    path = store.find(name, (Path(file).suffix,), scale=scale)
                    assert backends.load(path, device="cpu").spec == entry.spec


def test_a_model_of_several_scales_gives_the_smallest_that_is_enough(tmp_path: Path) -> None:
    """x4 with all files, x2 without a .safetensors file and restoring weights."""
    content = b"weights"
    names = ("net.onnx", "net.safetensors", "net-restore.safetensors", "net-x2.onnx")
    for name in names:
        (tmp_path / name).write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    files = "".join(f'"{name}" = "{checksum}"\n' for name in names[:3])
    table = tmp_path / "catalog.toml"
    table.write_text(
        f'[net]\nabout = "A test"\nlookahead = 4\nreach = 9\n[net.files]\n{files}'
        f'[net.scales.2]\nreach = 8\n[net.scales.2.files]\n"net-x2.onnx" = "{checksum}"\n'
    )
    largest, smaller = catalog.entries(table)["net"].by_scale
    assert (largest.spec.scale, largest.spec.reach, smaller.spec.scale, smaller.spec.reach) == (4, 9, 2, 8)
    picked = {scale: store.find("net", scale=scale, table=table).name for scale in (None, 1, 1.9, 2, 2.1, 3, 4, 9)}
    assert [scale for scale, name in picked.items() if name == "net-x2.onnx"] == [1, 1.9, 2]
    assert store.find("net", (".safetensors",), scale=2, table=table).name == "net.safetensors"
    assert store.find("net", (".onnx",), scale=2, restores=True, table=table).name == "net.onnx"
    assert store.restoring("net", (".onnx",), scale=2, table=table).name == "net-restore.safetensors"
