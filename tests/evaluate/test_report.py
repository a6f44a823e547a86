"""The command over a small data folder, and its parts."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vsadcvsr.errors import FormatError
from vsadcvsr.evaluate.__main__ import Case, main
from vsadcvsr.evaluate.clips import frames_of, house, photo_of
from vsadcvsr.evaluate.report import score_of
from vsadcvsr.evaluate.temporal import paths_of
from vsadcvsr.evaluate.upscalers import PLAIN, shown, shrunk
from vsadcvsr.spec import Array


def picture(height: int, width: int, shift: int = 0) -> Array:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin((columns + shift) / speed) * np.cos(rows / speed) for speed in (3, 5, 9)]
    return shown(np.stack([0.5 + 0.4 * wave for wave in waves]).astype(np.float32))


def write_clip(path: Path, frames: list[Array]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264rgb", rate=25, options={"qp": "0", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[1:], "rgb24"
        for frame in frames:
            pixels = np.ascontiguousarray(np.rint(frame.transpose(1, 2, 0) * 255).astype(np.uint8))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    truth = [picture(64, 80, shift) for shift in range(3)]
    write_clip(tmp_path / "clips/gt/wave.mkv", truth)
    write_clip(tmp_path / "clips/lr_small/wave.mkv", [shrunk(frame) for frame in truth])
    (tmp_path / "photos_hr").mkdir()
    pixels = np.rint(picture(65, 83).transpose(1, 2, 0)[..., ::-1] * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "photos_hr/wave.png"), np.ascontiguousarray(pixels))
    return tmp_path


def test_the_table_has_a_row_for_every_method(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(data), "--set", "lr_small,photos", "--json", str(data / "out.json")]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("bicubic", "lanczos", "ground truth", "PSNR-Y", "E*warp"))
    rows = json.loads((data / "out.json").read_text())
    assert [(row["set"], row["method"]) for row in rows[:3]] == [
        ("lr_small", "bicubic"), ("lr_small", "lanczos"), ("lr_small", "ground truth"),
    ]  # fmt: skip
    assert rows[0]["clips"]["wave"]["psnr_y"] > 15
    assert rows[2]["mean"]["psnr_y"] is None
    assert rows[2]["mean"]["ssim_y"] == pytest.approx(1)
    assert rows[3]["mean"]["warp"] is None


def test_a_missing_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_lossless_clip_is_read_as_it_was_written(tmp_path: Path) -> None:
    frames = [picture(32, 48, shift) for shift in range(2)]
    write_clip(tmp_path / "clip.mkv", frames)
    assert np.array_equal(np.stack(list(frames_of(tmp_path / "clip.mkv"))), np.stack(frames))


def test_photographs_come_as_rgb(data: Path) -> None:
    assert np.allclose(photo_of(data / "photos_hr/wave.png"), picture(65, 83), atol=1e-6)


def test_a_case_whose_sizes_do_not_fit_is_refused() -> None:
    with pytest.raises(FormatError, match="do not fit"):
        Case("odd", (picture(8, 8),), (picture(32, 36),))


def test_clips_of_different_lengths_are_not_compared() -> None:
    truth = [picture(32, 40)] * 3
    with pytest.raises(FormatError, match="2 frames"):
        score_of(truth[:2], truth, paths_of(truth))


def test_shrinking_keeps_an_even_field_and_the_place_of_things() -> None:
    assert shrunk(np.full((3, 16, 24), 0.2, dtype=np.float32)) == pytest.approx(0.2)
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (3, 32, 64))
    assert shrunk(ramp)[0, 4, 8] == pytest.approx(ramp[0, 0, 32:36].mean(), abs=1 / 255)


def test_plain_resizing_keeps_an_even_field_and_makes_four_of_one() -> None:
    for upscale in PLAIN.values():
        (large,) = upscale([np.full((3, 5, 7), 0.4, dtype=np.float32)])
        assert large.shape == (3, 20, 28)
        assert large == pytest.approx(0.4, abs=1e-6)


def test_eight_bit_pixels_become_a_frame() -> None:
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[0, 1] = (255, 0, 51)
    assert house(pixels)[:, 0, 1].tolist() == pytest.approx([1, 0, 0.2])


@pytest.mark.parametrize("name", ["nearest", "nearest#no-temporal"])
def test_a_model_is_measured_by_name(data: Path, name: str) -> None:
    out = data / "out.json"
    assert main(["--data", str(data), "--set", "lr_small", "--model", name, "--json", str(out)]) == 0
    rows = {row["method"]: row for row in json.loads(out.read_text())}
    assert rows[name]["mean"]["psnr_y"] > 10
