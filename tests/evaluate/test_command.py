"""The command over a small data folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.waves import moving, write_set
from vsadcvsr.evaluate.__main__ import main
from vsadcvsr.video_io import write_pictures, write_video


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_set(tmp_path / "clips/soft", tmp_path / "clips/gt", moving(3))
    write_pictures(tmp_path / "photos_hr", moving(1, 65, 83))
    return tmp_path


def rows_of(data: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    out = data / "out.json"
    assert main(["--data", str(data), "--json", str(out), *arguments]) == 0
    return {f"{row['set']} {row['method']}": row for row in json.loads(out.read_text())["rows"]}


def test_the_table_has_a_row_for_every_method_and_set(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(data)
    assert list(rows) == [f"{name} {method}" for name in ("soft", "photos") for method in (
        "bicubic", "lanczos", "ground truth")]  # fmt: skip
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("bicubic", "lanczos", "ground truth", "PSNR-Y", "E*warp", "OpenCV DIS"))
    assert rows["soft bicubic"]["clips"]["wave"]["mean"]["psnr_y"] > 15
    assert len(rows["soft bicubic"]["clips"]["wave"]["frames"]["psnr_y"]) == 3
    assert rows["soft ground truth"]["mean"]["psnr_y"] is None
    assert rows["soft ground truth"]["mean"]["ssim_y"] == pytest.approx(1)
    assert rows["photos bicubic"]["mean"]["warp"] is None


@pytest.mark.parametrize("name", ["nearest", "nearest#no-temporal"])
def test_a_model_is_measured_by_name(data: Path, name: str) -> None:
    row = rows_of(data, "--set", "soft", "--model", name, "--metrics", "psnr_y")[f"soft {name}"]
    assert row["mean"]["psnr_y"] > 10
    assert row["clips"]["wave"]["seconds"] > 0


@pytest.mark.parametrize("is_repeated", [False, True])
def test_several_methods_stand_behind_one_option_or_several(data: Path, is_repeated: bool) -> None:
    def option(name: str, first: str, second: str) -> list[str]:
        return [name, first, name, second] if is_repeated else [name, first, second]

    for name in ("one", "two"):
        (data / name).mkdir()
        write_video(data / name / "wave.mkv", moving(3))
    models = option("--model", "nearest", "nearest#no-temporal")
    videos = option("--videos", f"one={data / 'one'}", f"two={data / 'two'}")
    rows = rows_of(data, "--set", "soft", "--metrics", "psnr_y", *models, *videos)
    assert {"soft nearest", "soft nearest#no-temporal", "soft one", "soft two"} <= set(rows)


def test_videos_and_commands_are_rows_like_any_other(data: Path) -> None:
    (data / "perfect").mkdir()
    write_video(data / "perfect/wave.mkv", moving(3))
    command = f"doubled={sys.executable} -m tests.evaluate.doubling {{input}} {{output}}"
    videos = f"perfect={data / 'perfect'}"
    rows = rows_of(
        data, "--set", "soft", "--videos", videos, "--command", command, "--model", "nearest", "--metrics", "fast,ms"
    )
    assert rows["soft perfect"]["mean"]["ms"] is None
    assert rows["soft doubled"]["mean"]["ms"] > 0
    assert rows["soft perfect"]["mean"]["ssim_y"] == pytest.approx(1)
    assert rows["soft doubled"]["mean"]["psnr_y"] == pytest.approx(rows["soft nearest"]["mean"]["psnr_y"], abs=1e-3)


def test_a_protocol_cuts_frames_and_borders(data: Path) -> None:
    out = data / "out.json"
    assert main(["--data", str(data), "--set", "soft", "--protocol", "paper", "--crop", "48", "--json", str(out)]) == 0
    report = json.loads(out.read_text())
    assert (report["settings"]["first"], report["settings"]["crop"]) == (25, 48)
    rows = rows_of(data, "--set", "soft", "--first", "2")
    assert len(rows["soft bicubic"]["clips"]["wave"]["frames"]["psnr_y"]) == 2
    assert rows["soft bicubic"]["mean"]["psnr_y"] != report["rows"][0]["mean"]["psnr_y"]


def test_what_the_last_set_lacks_ends_the_run_before_the_first_is_measured(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(data / "clips/zoom/other", moving(1, 16, 20))
    assert main(["--data", str(data), "--set", "soft,zoom", "--metrics", "psnr_y"]) == 2
    assert capsys.readouterr().err == f"evaluate: {data}/clips/gt holds no other, which {data}/clips/zoom does\n"


def test_a_result_that_cannot_be_measured_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(data / "short/wave", moving(2))
    assert main(["--data", str(data), "--set", "soft", "--metrics", "psnr_y", "--videos", f"mine={data}/short"]) == 2
    assert "evaluate: wave: mine: a clip of 2 frames cannot be compared with a truth of 3\n" in capsys.readouterr().err


def test_a_set_without_truth_has_no_row_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "VideoLQ/one", moving(3, 32, 40))
    rows = rows_of(tmp_path, "--set", "VideoLQ", "--metrics", "psnr_y,warp_ec,flicker", "--table", "paper")
    assert list(rows) == ["VideoLQ bicubic", "VideoLQ lanczos"]
    assert rows["VideoLQ bicubic"]["mean"]["psnr_y"] is None
    assert rows["VideoLQ bicubic"]["mean"]["warp_ec"] > 0
    assert capsys.readouterr().out.startswith("| VideoLQ")


def test_what_was_changed_or_cut_down_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("lr", "gt"):
        write_pictures(tmp_path / "RealVSR" / folder / "one", moving(1))
    rows_of(tmp_path, "--metrics", "ms_ssim")
    printed = capsys.readouterr().out
    assert "RealVSR: the clips have the size of the truth and were shrunk by 4 first" in printed
    assert "RealVSR: one has room for 3 scales of MS-SSIM instead of 5" in printed


def test_a_summary_has_intervals_and_gains(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(
        data, "--set", "soft", "--table", "summary", "--metrics", "psnr_y,sharpness,ms", "--model", "nearest"
    )
    printed = capsys.readouterr().out
    assert "| soft, 1 scenes | PSNR-Y ↑" in printed
    assert "| soft, over bicubic |" in printed
    gain = json.loads((data / "out.json").read_text())["summary"]["soft"]["nearest"]["psnr_y"]
    assert gain["gain"] == pytest.approx(
        rows["soft nearest"]["mean"]["psnr_y"] - rows["soft bicubic"]["mean"]["psnr_y"], abs=1e-5
    )
    seconds = rows["soft nearest"]["clips"]["wave"]["seconds"]
    assert rows["soft nearest"]["mean"]["ms"] == pytest.approx(seconds / 3 * 1000, abs=0.01)
    assert rows["soft ground truth"]["mean"]["sharpness"] == 1


def test_what_is_not_installed_is_a_line_below_the_table(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("vapoursynth", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("vsadcvsr.evaluate.metrics.perceptual", "vsadcvsr.nets.efficientnet"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("vsadcvsr.evaluate.metrics.perceptual", raising=False)
    rows = rows_of(data, "--set", "soft", "--metrics", "psnr_y,ssimulacra2,xpsnr,features")
    assert rows["soft bicubic"]["mean"]["ssimulacra2"] is None
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not measured: ")]
    assert [line.partition("run ")[2] for line in lines] == [
        f"`pip install 'vsadcvsr[{extra}]'`" for extra in ("evaluate", "evaluate", "peers")
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--peer", "mine=none.safetensors"], "none.safetensors cannot be read: no such file"),
        (["--videos", "only-a-name"], "videos is 'only-a-name', allowed: NAME=VALUE"),
        (["--videos", "bicubic=x"], "another row is named 'bicubic'"),
        (["--metrics", "beauty"], "metrics is 'beauty'"),
        (["--crop", "511"], "crop is 511, allowed: a multiple of the scale, 4"),
        (["--set", "none"], "has no set 'none'"),
        (["--videos", "mine=nowhere"], "nowhere holds no video"),
        (["--script", "mine=none.vpy"], "script none.vpy is not a file"),
        (["--json", "no/such/folder/out.json", "--set", "soft"], "out.json"),
        (["--json", ".", "--set", "soft"], "--json . is a folder; give the name of a file in it"),
    ],
)
def test_a_mistake_is_one_line(data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert main(["--data", str(data), *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluate: ")]
    assert len(lines) == 1
    assert says in lines[0]


def test_the_help_tells_how_others_take_part(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "NAME=FILE.vpy" in capsys.readouterr().out
