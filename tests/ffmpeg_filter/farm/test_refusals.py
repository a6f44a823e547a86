"""What a farm refuses, and how a scheduler is told whether to try again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vsadcvsr
from ffmpeg_filter.farm import render
from ffmpeg_filter.farm.job_context import code_checksum
from tests.ffmpeg_filter.farms import TEMPORAL, farm, hashes, planned, source
from tests.ffmpeg_filter.files import ROOT, ffadcvsr, skip_if_it_crashes
from vsadcvsr.backends.cpu_features import CpuFeatures

pytestmark = pytest.mark.usefixtures("in_tmp_path")

JOB = Path("job")


def test_a_plan_that_is_made_again_is_the_same_plan(capfd: pytest.CaptureFixture[str]) -> None:
    before = planned()
    assert planned().key == before.key


def test_a_plan_for_something_else_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    arguments = f"-- -i clip.mkv -vf {TEMPORAL} -c:v libx264 many.mkv"
    assert farm("plan", JOB, arguments) == 65
    assert "holds another plan, with another command and chunk length; use another folder" in capfd.readouterr().err


def test_a_source_that_was_replaced_is_noticed_by_every_verb(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    assert farm("work", JOB, "--next") == 0
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac", pictures="testsrc=s=64x48:r=25:d=1.2")
    assert [farm("work", JOB), farm("work", JOB, "--chunk 0"), farm("merge", JOB)] == [65, 65, 65]
    stderr = capfd.readouterr().err
    assert stderr.count("clip.mkv has changed since it was planned") == 3
    assert stderr.count(f"; plan the job again in another folder, or remove {JOB.resolve()}\n") == 3


@pytest.mark.parametrize("verb", ["plan", "work", "merge"])
def test_a_colour_table_that_was_replaced_is_not_mixed_into_the_video(
    verb: str, capfd: pytest.CaptureFixture[str]
) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    table, rows = Path("look.cube"), [f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    table.write_text("LUT_3D_SIZE 2\n" + "".join(rows))
    command = f"--chunk-seconds 0.4 -- -i clip.mkv -vf {TEMPORAL},lut3d=look.cube -c:v ffv1 many.mkv"
    assert farm("plan", JOB, command) == 0
    assert farm("work", JOB, "--next") == 0
    table.write_text("LUT_3D_SIZE 2\n" + "".join(reversed(rows)))
    assert farm(verb, JOB, *([command] if verb == "plan" else [])) == 65
    assert "look.cube has changed since it was planned" in capfd.readouterr().err


def test_frames_that_decode_otherwise_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    job = planned()
    [path] = JOB.glob("frames-*.txt")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:20], *lines[21:], lines[20]]))
    assert farm("work", JOB) == 75
    assert "is not the frame index of this job" in capfd.readouterr().err
    assert job.done() == {}


def test_another_ffmpeg_is_refused(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    planned()
    monkeypatch.setattr("ffmpeg_filter.farm.job_context.ffmpeg_build", lambda _: "ffmpeg version 5.1")
    assert farm("work", JOB) == 65
    assert "ffmpeg is ffmpeg version 5.1 on this machine, the job was planned with ffmpeg" in capfd.readouterr().err


def test_another_commit_of_one_version_is_refused(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned()
    monkeypatch.setattr("ffmpeg_filter.farm.job_context.code_checksum", lambda: "another")
    assert [farm("work", JOB), farm("merge", JOB)] == [65, 65]
    stderr = capfd.readouterr().err
    assert f"vsadcvsr is {vsadcvsr.__version__} another on this machine, the job was planned with" in stderr


def test_the_sum_of_the_code_is_that_of_every_module_with_a_part_in_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "vsadcvsr"
    shutil.copytree(Path(vsadcvsr.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    monkeypatch.setattr("vsadcvsr.__file__", str(package / "__init__.py"))

    def changed(name: str, content: bytes) -> str:
        (package / name).write_bytes(content)
        return code_checksum.__wrapped__()

    before = code_checksum.__wrapped__()
    windows = (package / "scenes.py").read_bytes().replace(b"\n", b"\r\n")
    assert changed("scenes.py", windows) == before
    assert changed("bench/machine.py", b"") == before
    assert changed("scenes.py", windows + b"\n") != before
    assert changed("scenes.py", windows) == before
    assert changed("native/sharpen.c", b"") != before


def test_pictures_of_engines_of_two_kinds_are_not_joined(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    assert farm("work", JOB) == 0
    for path in (JOB / "ledger").iterdir():
        path.write_text(path.read_text().replace("nearest/cpu/fp32", "nearest/gpu/fp16", 2))
    assert farm("merge", JOB) == 65
    assert "different engines" in capfd.readouterr().err


def test_int8_with_and_without_vnni_are_two_kinds_of_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(label: str, features: CpuFeatures) -> str:
        monkeypatch.setattr(render, "cpu_features", lambda: features)
        return render.engine_kind(label)

    vnni, none = CpuFeatures.AVX2 | CpuFeatures.VNNI, CpuFeatures.AVX2
    assert kind("openvino/cpu/int8", none) == f"{kind('openvino/cpu/int8', vnni)} without VNNI"
    assert kind("openvino/cpu/fp32", none) == kind("openvino/cpu/fp32", vnni)


def test_cpus_with_other_vectors_are_two_kinds_of_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def kinds(label: str) -> set[str]:
        sets = CpuFeatures(0), CpuFeatures.AVX2, CpuFeatures.AVX2 | CpuFeatures.AVX512
        found = set()
        for features in sets:
            monkeypatch.setattr(render, "cpu_features", lambda features=features: features)
            found.add(render.engine_kind(label))
        return found

    assert len(kinds("openvino/cpu/fp32")) == len(kinds("torch/cpu/fp32")) == len(kinds("ort/cpu/fp32")) == 3
    assert kinds("nearest/cpu/fp32") == {"nearest/cpu/fp32"}
    assert len(kinds("ort/cuda/fp32")) == 1


def test_what_encoders_do_not_know_is_found_out_before_anything_is_made(capfd: pytest.CaptureFixture[str]) -> None:
    source(Path("clip.mkv"), "-c:v ffv1")
    assert farm("plan", JOB, "-- -i clip.mkv -vf adcvsr=nearest -c:v libx264 -preset hasty many.mkv") == 65
    assert "hasty" in capfd.readouterr().err
    assert not (JOB / "job.json").exists()


def test_damage_can_be_refused(capfd: pytest.CaptureFixture[str]) -> None:
    source(Path("whole.ts"), "-c:v mpeg2video -c:a mp2")
    content = bytearray(Path("whole.ts").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    Path("clip.ts").write_bytes(content)
    skip_if_it_crashes(Path("clip.ts"))
    arguments = "-i clip.ts -vf adcvsr=nearest -c:v ffv1 -an many.mkv"
    assert farm("plan", JOB, "-- -adcvsr_on_corrupt fail", arguments) == 75
    assert "the source is damaged" in capfd.readouterr().err
    assert farm("plan", JOB, "--", arguments) == 0
    assert farm("work", JOB) == 0
    assert farm("merge", JOB) == 0
    assert ffadcvsr("-i clip.ts -vf adcvsr=nearest -c:v ffv1 -an one.mkv") == 0
    assert hashes(Path("many.mkv")) == hashes(Path("one.mkv"))


def test_a_video_that_is_there_is_not_overwritten_unasked() -> None:
    planned()
    Path("many.mkv").write_bytes(b"mine")
    assert farm("work", JOB) == 0
    assert farm("merge", JOB) == 64
    assert Path("many.mkv").read_bytes() == b"mine"


def test_a_video_that_is_merged_is_not_merged_again(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    assert farm("work", JOB) == 0
    assert [farm("merge", JOB), farm("merge", JOB)] == [0, 0]
    assert "many.mkv is merged already" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("plan job", "a command"),
        ("plan job -- -i clip.mkv many.mkv", "has no adcvsr"),
        ("plan job -- -i gone.mkv -vf adcvsr=nearest many.mkv", "gone.mkv' is not a file"),
        ("plan job -- -f lavfi -i testsrc -vf adcvsr=nearest many.mkv", "is not a file"),
        *(
            (f"plan job --chunk-seconds={text} -- -i clip.mkv -vf adcvsr=nearest many.mkv", "is no number of seconds")
            for text in ("0", "-1", "x", "nan", "inf", "1e999999999", "1e-999999999", "1/0", "-1/2", "")
        ),
        ("work elsewhere", "no job is planned in"),
        ("work job --chunk 3", "allowed: 0 to 2"),
        ("work job --chunk -1", "is no whole number"),
        ("report job --samples=-1", "is no whole number"),
        ("melt job", "invalid choice"),
        ("", "required"),
    ],
)
def test_mistakes_have_another_status_than_failures_worth_a_retry(
    arguments: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    source(Path("clip.mkv"), "-c:v ffv1")
    if arguments.startswith("work job"):
        planned()
    capfd.readouterr()
    assert ffadcvsr("farm", arguments) == 64
    stderr = capfd.readouterr().err
    assert message in stderr
    assert len(stderr.splitlines()) == 1
    assert arguments.startswith("work job") or not JOB.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("-vf adcvsr=nearest -c:v libx26 many.mkv", 65, "libx26"),
        ("-vf adcvsr=nearest -c:v ffv1 -c:a mp4 many.mkv", 65, "mp4"),
        ("-vf adcvsr=nearest,scael=2:2 -c:v ffv1 many.mkv", 65, "scael"),
        ("-vf adcvsr=nearest:strength=7 -c:v ffv1 many.mkv", 64, "strength is 7.0"),
        ("-vf adcvsr=nearest:tile=0x9 -c:v ffv1 many.mkv", 64, "tile"),
        ("-vf adcvsr=nearest:sc_threshold=nan -c:v ffv1 many.mkv", 64, "sc_threshold is nan"),
    ],
)
def test_impossible_outputs_are_refused_before_decoding(
    arguments: str, status: int, message: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    monkeypatch.setattr("ffmpeg_filter.farm.plan._scan_video", lambda *_: pytest.fail("the video was decoded"))
    assert farm("plan", JOB, "-- -i clip.mkv", arguments) == status
    assert message in capfd.readouterr().err
    assert not JOB.exists()


def test_the_state_of_a_job_can_be_read_by_programs() -> None:
    planned()
    assert farm("work", JOB, "--chunk 2") == 0
    result = subprocess.run(
        [sys.executable, "-c", "from ffmpeg_filter.program import run; run()", "farm", "status", str(JOB), "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    status = json.loads(result)
    assert (status["chunks"], status["done"], status["frames"], status["frames_done"]) == (3, 1, 30, 10)


def test_storage_without_hard_links_is_refused_before_the_video_is_decoded(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")

    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", link)
    assert farm("plan", JOB, f"-- -i clip.mkv -vf {TEMPORAL} -c:v ffv1 many.mkv") == 64
    stderr = capfd.readouterr().err
    assert "storage without hard links" in stderr
    assert "frame=" not in stderr
    assert not JOB.exists()


def test_a_full_disk_is_no_mistake_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")

    def link(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", link)
    assert farm("plan", JOB, f"-- -i clip.mkv -vf {TEMPORAL} -c:v ffv1 many.mkv") == 75


def test_an_interlaced_source_is_warned_of_by_the_plan(capfd: pytest.CaptureFixture[str]) -> None:
    source(Path("clip.mkv"), "-vf setfield=tff -c:v mpeg2video -flags +ilme+ildct -c:a flac")
    assert farm("plan", JOB, "-- -i clip.mkv -vf adcvsr=nearest -c:v ffv1 many.mkv") == 0
    assert capfd.readouterr().err.count("warning: the source is interlaced") == 1
