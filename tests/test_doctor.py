"""`adcvsr doctor` finds what works, what is not there and what is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vsadcvsr import backends, cli, doctor
from vsadcvsr.errors import BackendError

posix = pytest.mark.requires("posix")  # the stand-ins are shell scripts


def stand_in(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_it_finds_this_machine_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in an activated environment: vspipe asks the `vapoursynth` command on PATH which Python to use.
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    result = {finding.name: finding for finding in doctor.examine()}
    for name in (
        "ONNX Runtime",
        "plugin in Python",
        "plugin in vspipe",
        "video source",
        "ffadcvsr",
        "OpenVINO",
        "a step on ort, cpu",
        "a step on openvino, cpu, fp32",
        "a step on openvino, cpu, int8",
    ):
        assert result[name].verdict == "ok", result[name]
    assert "devices: " in result["OpenVINO"].detail
    assert result["ONNX Runtime"].detail.endswith("devices: cpu")
    assert result["a step on openvino, cpu, bf16"].verdict in {"ok", "absent"}
    assert all(finding.verdict != "failed" for finding in result.values())


def test_an_installed_package_is_found_by_its_own_account_or_by_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file, text in (
        ("first", "top_level.txt", "adcvsr_trial\n"),
        ("second", "RECORD", "second.py,,\nadcvsr_trial/__init__.py,,\n"),
        ("third", "RECORD", "other/adcvsr_trial/__init__.py,,\nadcvsr_trial_too/__init__.py,,\n"),
        ("fourth", "top_level.txt", "adcvsr_trial_too\n"),
    ):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / file).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor._distributions("adcvsr_trial") == ["first 1.0", "second 1.0"]
    assert doctor._distributions("adcvsr_trial_of_nobody") == []


def test_both_runtimes_at_once_are_found_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_distributions", lambda _: ["onnxruntime 1.32", "onnxruntime-gpu 1.32"])
    finding = doctor._runtimes()
    assert finding.verdict == "failed"
    assert "pip uninstall all" in finding.detail


def test_a_missing_runtime_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_distributions", lambda _: [])
    assert doctor._runtimes().verdict == "absent"


def test_a_backend_that_is_installed_and_does_not_load_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise BackendError("backend 'openvino' needs more than is installed")

    monkeypatch.setattr(backends, "load", load)
    monkeypatch.setattr(doctor, "_distributions", lambda _: ["openvino 2026"])
    assert doctor._step("openvino", "cpu").verdict == "failed"
    assert doctor._step("openvino", "cpu", "bf16").verdict == "absent"
    assert doctor._step("torch", "cuda").verdict == "absent"
    monkeypatch.setattr(doctor, "_distributions", lambda _: [])
    assert doctor._step("openvino", "cpu").verdict == "absent"


def test_where_nothing_runs_the_model_the_status_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = doctor.Finding("a step", "absent", "not installed")
    for name in ("_runtimes", "_openvino", "_in_vspipe", "_ffadcvsr"):
        monkeypatch.setattr(doctor, name, lambda: absent)
    monkeypatch.setattr(doctor, "_in_python", lambda: iter([absent]))
    monkeypatch.setattr(doctor, "_step", lambda *_: absent)
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 1
    assert "no backend runs it" in done.stdout


def test_a_missing_video_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.CompletedProcess([], 0, b"adcvsr\t81\topenvino\t/plugins/libadcvsr.so\n", b"")
    monkeypatch.setattr(doctor, "_run", lambda *_: process)
    plugin, source = doctor._in_python()
    assert (plugin.verdict, plugin.detail) == ("ok", "VapourSynth R81, libadcvsr.so, backend 'auto' is openvino")
    assert source.verdict == "absent"
    assert "pip install vapoursynth-bestsource" in source.detail


def test_a_backend_that_other_plugins_keep_from_loading_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    words = b"backend 'auto' runs on ONNX Runtime, since OpenVINO cannot be used: another build of it is there\n"
    process = subprocess.CompletedProcess([], 0, b"adcvsr\t81\tort\t/plugins/libadcvsr.so\tbs\n", words)
    monkeypatch.setattr(doctor, "_run", lambda *_: process)
    plugin, _ = doctor._in_python()
    assert plugin.verdict == "failed"
    assert "another build of it is there" in plugin.detail


@pytest.mark.parametrize("noise", [b"", b"a plugin says hello\nand again\n"])
def test_what_other_plugins_print_and_paths_of_other_encodings_do_no_harm(
    noise: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b"adcvsr\t81\tort\t/M\xfcller/my plugins/libadcvsr.so\tbs\tffms2\n"
    monkeypatch.setattr(doctor, "_run", lambda *_: subprocess.CompletedProcess([], 0, noise + line + noise, b""))
    plugin, source = doctor._in_python()
    assert (plugin.verdict, plugin.detail) == ("ok", "VapourSynth R81, libadcvsr.so, backend 'auto' is ort")
    assert source.detail == "core.bs, core.ffms2"


def test_damaged_weights_are_found_by_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    error = "model 'fast': fast.onnx has the wrong checksum (1…, expected 2…); install vsadcvsr again"
    line = f"adcvsr\t81\t{error}\t/plugins/libadcvsr.so\tbs\n".encode()
    monkeypatch.setattr(doctor, "_run", lambda *_: subprocess.CompletedProcess([], 0, line, b""))
    plugin, _ = doctor._in_python()
    assert (plugin.verdict, plugin.detail) == ("failed", f"VapourSynth R81, libadcvsr.so: {error}")


@posix
def test_an_ffmpeg_that_is_too_old_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stand_in(tmp_path, "ffmpeg", "echo 'libavutil      56. 70.100 / 56. 70.100'")
    monkeypatch.setenv("ADCVSR_FFMPEG", str(old))
    finding = doctor._ffadcvsr()
    assert finding.verdict == "failed"
    assert "FFmpeg 5.1" in finding.detail
    assert "Error" not in finding.detail


@posix
def test_what_does_not_end_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_WATCHED", 0.2)
    monkeypatch.setattr(doctor, "program", lambda _: str(stand_in(tmp_path, "vspipe", "exec sleep 60")))
    finding = doctor._in_vspipe()
    assert finding.verdict == "failed"
    assert "vspipe has not ended" in finding.detail


@posix
def test_the_command_for_vspipe_can_be_copied_from_a_folder_with_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my programs"
    folder.mkdir()
    monkeypatch.setattr(doctor, "program", lambda _: str(stand_in(folder, "vspipe", "exit 1")))
    assert f'`"{folder}/vapoursynth" config`' in doctor._in_vspipe().detail
