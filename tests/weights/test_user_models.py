"""Models that the user adds by name: they are listed, verified and found by every entry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from ffmpeg_filter.command.filter_options import FilterOptions
from ffmpeg_filter.farm.job_context import model_checksum
from tests.backends.image_networks import write_image_network
from tests.engine.reference import clip_of
from vsadcvsr import cli
from vsadcvsr.backends.openvino import supports_bf16
from vsadcvsr.engine import Engine
from vsadcvsr.errors import WeightsError
from vsadcvsr.weights import store, user_models


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADCVSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "cache"


def run(*arguments: str) -> int:
    """The exit status of `adcvsr models …`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["adcvsr", "models", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)


def test_an_added_model_is_listed_and_runs_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_image_network(tmp_path / "net_v3[x4].onnx", scale=4)
    frame = clip_of(1, size=(9, 14))
    expected = next(Engine.open(path).stream(frame))
    assert run("add", str(path), "--name", "anime") == 0
    path.unlink()
    bf16 = ", bf16" if supports_bf16() else ""
    assert capsys.readouterr().out.startswith(f"anime: x4, fp32{bf16}, anime.onnx ")
    assert run() == 0
    assert "added from net_v3[x4].onnx" in capsys.readouterr().out
    engine = Engine.open("anime")
    assert engine.spec.name == "anime"
    np.testing.assert_array_equal(next(engine.stream(frame)), expected)


def test_the_reach_is_measured_once_when_a_model_is_added(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("add", str(write_image_network(tmp_path / "net.onnx", reach=3, multiple=2))) == 0
    assert capsys.readouterr().out.strip().endswith(", tiles are exact (reach 6)")
    monkeypatch.setattr("vsadcvsr.backends.receptive_field.measure", lambda _: pytest.fail("measured again"))
    assert Engine.open("net", tile=(32, 32)).spec.reach == 6
    row = json.loads((cache / "models" / "net.json").read_text())
    del row["tiling"]  # as entries were before
    (cache / "models" / "net.json").write_text(json.dumps({**row, "reach": None}))
    monkeypatch.undo()
    monkeypatch.setenv("ADCVSR_CACHE", str(cache))
    assert Engine.open("net", tile=(32, 32)).spec.reach == 6


def test_a_changed_file_is_refused(tmp_path: Path, cache: Path) -> None:
    assert run("add", str(write_image_network(tmp_path / "net.onnx"))) == 0
    write_image_network(cache / "models" / "net.onnx", reach=2)
    with pytest.raises(
        WeightsError, match=r"model 'net': net\.onnx has the wrong checksum .*; run `adcvsr models add FILE"
    ):
        store.find("net")


def test_machines_of_a_farm_compare_the_sums_of_a_name(tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx")
    assert run("add", str(path)) == 0
    assert model_checksum(FilterOptions(model="net")) == store.checksum(path)
    assert run("add", str(write_image_network(path, reach=2))) == 0
    assert model_checksum(FilterOptions(model="net")) == store.checksum(path)


def test_a_new_file_replaces_one_of_the_same_name(tmp_path: Path) -> None:
    for scale in (2, 4):
        assert run("add", str(write_image_network(tmp_path / "net.onnx", scale=scale))) == 0
        assert user_models.entries()["net"].spec.scale == scale


def test_a_removed_model_is_gone(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", str(write_image_network(tmp_path / "net.onnx"))) == 0
    assert run("remove", "net") == 0
    assert not list((cache / "models").iterdir())
    capsys.readouterr()
    assert run("remove", "net") != 0
    assert capsys.readouterr().err.strip() == "adcvsr: model 'net' was not added, added: none"
    with pytest.raises(WeightsError, match="model 'net' is not known"):
        store.find("net")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fast", "fast is the name of a model that ships; take another with --name"),
        ("a/b", "name is 'a/b', allowed: letters, digits, _ and -"),
        ("a.onnx", "name is 'a.onnx', allowed: letters, digits, _ and -"),
    ],
)
def test_names_that_mean_something_else_are_refused(
    name: str, arguments: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_image_network(tmp_path / "net.onnx")
    assert run("add", str(path), "--name", name) != 0
    assert capsys.readouterr().err.strip() == f"adcvsr: {arguments}"


def test_what_is_no_model_leaves_nothing_behind(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"text")
    assert run("add", str(tmp_path / "net.onnx")) != 0
    assert "cannot be read as ONNX" in capsys.readouterr().err
    model = onnx.load(write_image_network(tmp_path / "apart.onnx"))
    onnx.save_model(model, tmp_path / "apart.onnx", save_as_external_data=True, location="apart.bin", size_threshold=0)
    assert run("add", str(tmp_path / "apart.onnx")) != 0
    refusal = capsys.readouterr().err.strip()
    assert refusal.endswith("next to it; save the model as one file (external_data=False in torch.onnx.export)")
    assert not cache.exists() or not list((cache / "models").iterdir())


def test_a_damaged_entry_hides_no_other(tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run("add", str(write_image_network(tmp_path / "net.onnx"))) == 0
    (cache / "models" / "other.json").write_text(json.dumps({"file": 3}))
    assert list(user_models.entries()) == ["net"]
    assert "other.json cannot be read" in caplog.text


def test_a_cache_folder_that_cannot_be_read_has_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADCVSR_CACHE", str(tmp_path / ("long" * 80)))  # fails as a folder of another user does
    path = write_image_network(tmp_path / "net.onnx")
    assert store.find(path) == path
