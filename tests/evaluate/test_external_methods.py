"""Upscalers that are not ours give the frames that they made, or one clear line."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.waves import moving, picture
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.evaluate.datasets import Case
from vsadcvsr.evaluate.external_methods import Method, from_command, from_script, from_upscaler, from_videos
from vsadcvsr.evaluate.methods import resizers
from vsadcvsr.spec import Array
from vsadcvsr.video_io import write_pictures, write_video

CASE = Case("wave", moving(2, 16, 20), None, "soft")
DOUBLING = f"{sys.executable} -m tests.evaluate.doubling"


def repeated(frame: Array) -> Array:
    return frame.repeat(4, axis=1).repeat(4, axis=2)


def made(method: Method, case: Case = CASE) -> Array:
    return np.stack(list(method(case)))


def script(path: Path, last_line: str) -> Method:
    path.write_text(
        f"""
import vapoursynth as vs
import av, numpy as np
core = vs.core
frames = [frame.to_ndarray(format="rgb24") for frame in av.open(source).decode(video=0)]
height, width, _ = frames[0].shape
blank = core.std.BlankClip(width=width, height=height, format=vs.RGB24, length=len(frames))
def fill(n, f):
    out = f.copy()
    for plane in range(3):
        np.copyto(np.asarray(out[plane]), frames[n][..., plane])
    return out
clip = core.std.ModifyFrame(blank, blank, fill)
clip = core.resize.Point(clip, width=4 * width, height=4 * height)
{last_line}
"""
    )
    return from_script(path)


def test_a_plain_upscaler_is_a_method() -> None:
    assert np.array_equal(made(from_upscaler(resizers()["bicubic"])), np.stack(list(resizers()["bicubic"](CASE.low))))


def test_videos_are_found_by_the_name_of_the_clip_and_cut_to_its_length(tmp_path: Path) -> None:
    write_video(tmp_path / "wave.mkv", moving(5))
    assert np.array_equal(made(from_videos(tmp_path)), np.stack(moving(2)))


def test_a_folder_of_the_sets_name_comes_first(tmp_path: Path) -> None:
    write_video(tmp_path / "wave.mkv", moving(2)[::-1])
    write_pictures(tmp_path / "soft/wave", moving(2))
    assert np.array_equal(made(from_videos(tmp_path)), np.stack(moving(2)))


@pytest.mark.parametrize(("cropped", "shape"), [(True, (3, 64, 80)), (False, (3, 80, 100))])
def test_of_a_cropped_case_the_middle_counts(tmp_path: Path, cropped: bool, shape: tuple[int, ...]) -> None:
    write_video(tmp_path / "wave.mkv", moving(1, 80, 100))
    (frame,) = from_videos(tmp_path)(Case("wave", moving(1, 16, 20), None, cropped=cropped))
    assert frame.shape == shape
    assert not cropped or np.array_equal(frame, picture(80, 100)[:, 8:-8, 10:-10])


def test_a_video_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_video(tmp_path / "other.mkv", moving(1))
    with pytest.raises(MediaError, match="no folder of pictures named wave"):
        made(from_videos(tmp_path))


@pytest.mark.parametrize("kind", ["RGB24", "RGB48", "RGBS"])
def test_a_script_gives_its_frames_in_rgb(tmp_path: Path, kind: str) -> None:
    method = script(tmp_path / "a.vpy", f"core.resize.Point(clip, format=vs.{kind}).set_output()")
    assert made(method) == pytest.approx(np.stack([repeated(frame) for frame in CASE.low]), abs=1e-5)


def test_a_script_gives_its_frames_in_yuv(tmp_path: Path) -> None:
    method = script(tmp_path / "a.vpy", "core.resize.Point(clip, format=vs.YUV444P8, matrix_s='709').set_output()")
    assert made(method) == pytest.approx(np.stack([repeated(frame) for frame in CASE.low]), abs=3 / 255)


def test_a_script_that_fails_is_one_line(tmp_path: Path) -> None:
    method = script(tmp_path / "a.vpy", "raise ValueError('out of paint')")
    with pytest.raises(MediaError, match=r"vspipe .* ended with 1: .*out of paint") as caught:
        made(method)
    assert "\n" not in str(caught.value)


def test_a_script_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"give a VapourSynth script \(\.vpy\)"):
        from_script(tmp_path / "none.vpy")


def test_without_vspipe_scripts_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = script(tmp_path / "a.vpy", "clip.set_output()")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(MediaError, match="scripts need vspipe"):
        made(method)


@pytest.mark.parametrize("places", ["{input} {output}", "{frames} {upscaled}"])
def test_a_command_gets_a_clip_and_gives_one(places: str) -> None:
    assert np.array_equal(made(from_command(f"{DOUBLING} {places}")), np.stack([repeated(frame) for frame in CASE.low]))


def test_a_command_runs_without_a_shell(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read as video"):
        made(from_command(f"echo {{input}} {{output}} ; touch {tmp_path}/made"))
    assert not (tmp_path / "made").exists()


def test_a_command_that_fails_is_one_line_with_its_last_words() -> None:
    with pytest.raises(MediaError, match="ended with 3: out of paint"):
        made(
            from_command(f"{sys.executable} -c 'import sys; print(\"out of paint\"); sys.exit(3)' {{input}} {{output}}")
        )


def test_a_command_that_is_not_there_is_one_line() -> None:
    with pytest.raises(MediaError, match="no-such-program cannot be run: No such file"):
        made(from_command("no-such-program {input} {output}"))


@pytest.mark.parametrize("template", ["upscale {input}", "upscale {output}", "upscale"])
def test_a_command_without_a_place_for_both_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match=r"needs \{input\} or \{frames\}, and \{output\}"):
        from_command(template)


def test_a_command_with_an_open_quote_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot be split into words \(No closing quotation\); close its quotes$"):
        from_command("upscale {input} '{output}")
