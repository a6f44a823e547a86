"""VMAF: the binary that is chosen, the command line, and the real filter where there is one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.evaluate.waves import moving
from tests.requirements import absent
from vsadcvsr.errors import BackendError, MediaError
from vsadcvsr.evaluate.metrics import vmaf
from vsadcvsr.spec import Array


def program(path: Path, filters: str) -> str:
    """An ffmpeg that has `filters` and can do nothing."""
    path.write_text(f"#!/bin/sh\n[ \"$2\" = -filters ] && echo '{filters}' && exit 0\necho broken >&2\nexit 3\n")
    path.chmod(0o755)
    return str(path)


def blurred(frame: Array) -> Array:
    return np.ascontiguousarray(cv2.GaussianBlur(frame.transpose(1, 2, 0), (0, 0), 2).transpose(2, 0, 1))


def test_the_named_binary_comes_before_the_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, other = program(tmp_path / "mine", ""), program(tmp_path / "ffmpeg", "")
    monkeypatch.setenv("ADCVSR_FFMPEG", named)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(vmaf.binaries())[:2] == [named, other]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ADCVSR_FFMPEG", "~/mine")
    assert next(vmaf.binaries()) == named


def test_a_binary_without_the_filter_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without, having = program(tmp_path / "old", "scale"), program(tmp_path / "new", "V.. libvmaf VV->V")
    monkeypatch.setattr(vmaf, "binaries", lambda: iter([without, having]))
    measure = vmaf.open_vmaf()
    with pytest.raises(MediaError, match=f"{having} could not measure VMAF: broken"):
        measure(moving(1), moving(1))


@pytest.mark.parametrize("tried", [["ffmpeg-old"], []])
def test_no_binary_with_the_filter_is_one_plain_line(tried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmaf, "binaries", lambda: iter(tried))
    with pytest.raises(BackendError, match=f"{(tried or ['no ffmpeg'])[0]} was found: pip install imageio-ffmpeg"):
        vmaf.open_vmaf()


def test_both_clips_are_raw_and_of_one_size() -> None:
    line = " ".join(vmaf.arguments("ffmpeg", (80, 64), 2))
    assert line.count("-pix_fmt yuv420p -video_size 80x64") == 2
    assert line.index("clip.yuv") < line.index("truth.yuv")
    assert "n_threads=2" in line


def test_the_truth_scores_high_and_blur_costs_much() -> None:
    try:
        measure = vmaf.open_vmaf(1)
    except BackendError as error:
        absent("vmaf", str(error))
    truth = moving(3, 96, 128)
    same, soft = measure(truth, truth), measure([blurred(frame) for frame in truth], truth)
    assert len(same) == len(soft) == 3
    assert min(same) > 90
    assert max(soft) < min(same) - 20
