"""The validation set: the same bits from the same list, and sets that evaluation reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.waves import moving, picture
from vsadcvsr.errors import UsageError
from vsadcvsr.evaluate.datasets import Protocol, read_cases, sets_in
from vsadcvsr.evaluate.degradations import DEGRADATIONS, degrade
from vsadcvsr.evaluate.methods import downscale
from vsadcvsr.evaluate.validation import ValidationPlan, main, scenes_in
from vsadcvsr.video_io import write_pictures, write_video


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    write_video(tmp_path / "clips/wave.mkv", moving(6, 82, 110))
    write_pictures(tmp_path / "frames", moving(3, 64, 64))
    write_pictures(tmp_path / "photo", [picture(90, 121)])
    (tmp_path / "photo/00000001.png").rename(tmp_path / "still.png")
    (tmp_path / "list.txt").write_text("# three\nclips/wave.mkv\nframes  # a folder\n\nstill.png\n")
    return tmp_path


def made(scenes: Path, out: str, *more: str) -> dict[str, str]:
    """The set's files and the sums of their contents."""
    assert main([str(scenes / "list.txt"), "--out", str(scenes / out), "--frames", "3", "--size", "96x72", *more]) == 0
    files = sorted((scenes / out).rglob("*.mkv"))
    return {str(path.relative_to(scenes / out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_list_gives_the_same_bits(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first_set = made(scenes, "one")
    first = capsys.readouterr().out
    assert made(scenes, "other") == first_set
    assert first.replace("one", "other") == capsys.readouterr().out
    assert len(first_set) == 3 * (1 + len(DEGRADATIONS))
    assert made(scenes, "third", "--seed", "1") != first_set


def test_a_scene_is_degraded_alike_in_any_list(scenes: Path) -> None:
    whole = made(scenes, "whole", "--kinds", "old,noisy")
    (scenes / "list.txt").write_text("still.png\n")
    alone = made(scenes, "alone", "--kinds", "noisy")
    assert alone["clips/noisy/still.mkv"] == whole["clips/noisy/still.mkv"]


def test_evaluation_reads_what_was_made(scenes: Path) -> None:
    made(scenes, "set", "--kinds", "clean,stream")
    assert sets_in(scenes / "set") == ["clean", "stream"]
    cases = {case.name: case for case in read_cases(scenes / "set", "clean", Protocol())}
    assert {name: (case.size, len(case.low)) for name, case in cases.items()} == {
        "frames": ((64, 64), 3), "still": ((96, 72), 3), "wave": ((96, 72), 3)}  # fmt: skip
    still = cases["still"]
    assert still.truth is not None
    assert not np.array_equal(still.truth[0], still.truth[1])  # it pans
    assert np.abs(still.low[0] - downscale(still.truth[0])).max() < 1.01 / 255
    facts = json.loads((scenes / "set/validation.json").read_text())
    assert set(facts["scenes"]["wave"]["strengths"]["stream"]) == {"blur", "noise", "crf"}


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_every_kind_is_as_bad_as_its_name(kind: str) -> None:
    truth = moving(3, 96, 128)
    pixels, drawn = degrade(truth, kind, "wave")
    assert pixels.shape == (3, 24, 32, 3)
    assert all(span[0] <= drawn[name] <= span[1] for name, span in vars(DEGRADATIONS[kind]).items() if name in drawn)
    clean, _ = degrade(truth, "clean", "wave")
    assert (np.abs(pixels.astype(int) - clean).mean() > 0.5) == (kind != "clean")


def test_a_list_has_paths_and_no_name_twice() -> None:
    assert scenes_in("a/x.png # one\n#b.png\n\n c.mkv \n") == ["a/x.png", "c.mkv"]
    with pytest.raises(UsageError, match="two scenes of the list are named 'x'"):
        scenes_in("a/x.png\nb/x.mkv\n")
    with pytest.raises(UsageError, match="empty"):
        scenes_in("# nothing\n")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--kinds", "cleen"], "kinds is 'cleen', allowed: clean, light"),
        (["--frames", "0"], "--frames is 0, allowed: 1 or more"),
        (["--size", "big"], "--size is 'big'"),
        (["--size", "32x32"], "is too small"),
        (["--root", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line(scenes: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str) -> None:
    assert main([str(scenes / "list.txt"), "--out", str(scenes / "out"), *more]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("validation: ")]
    assert len(lines) == 1
    assert says in lines[0]


def test_scenes_of_another_list_are_not_mixed_in(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scenes / "list.txt").write_text("frames\n")
    first = made(scenes, "set", "--kinds", "clean")
    assert made(scenes, "set", "--kinds", "clean") == first
    (scenes / "list.txt").write_text("still.png\n")
    capsys.readouterr()
    assert main([str(scenes / "list.txt"), "--out", str(scenes / "set"), "--kinds", "clean"]) == 2
    says = f"validation: {scenes}/set/clips/clean/frames.mkv is of no scene of the list; remove it, or give a folder"
    assert capsys.readouterr().err.startswith(says)


def test_settings_of_a_plan_are_those_of_the_command() -> None:
    assert ValidationPlan().kinds == tuple(DEGRADATIONS)
