"""Tables and JSON from scores."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tests.evaluate.waves import moving, picture
from vsadcvsr.errors import FormatError
from vsadcvsr.evaluate.datasets import Protocol
from vsadcvsr.evaluate.methods import downscale, quantize, resizers
from vsadcvsr.evaluate.metrics.registry import metrics_for
from vsadcvsr.evaluate.metrics.temporal import ClipWithFlow
from vsadcvsr.evaluate.report import TRUTH, Report, Row, Score, score_of, text, text_by_clip, text_of_paper

NAN = math.nan
MEASURES = metrics_for(("psnr_y", "warp", "detail"))


def row(method: str, psnr: float, warp: float, set_name: str = "soft") -> Row:
    values = {"psnr_y": (psnr - 1, psnr + 1), "warp": (NAN, warp), "detail": (NAN, NAN)}
    return Row(method, set_name, {"wave": Score(values, 0.5)})


REPORT = Report(
    (row("a", 20, 0.3), row("b", 24, 0.5), row(TRUTH, math.inf, 0.1)), MEASURES, Protocol(2, 64), ("a remark",)
)


def test_the_mean_leaves_out_frames_without_a_number() -> None:
    assert row("a", 20, 0.3).mean("psnr_y") == 20
    assert row("a", 20, 0.3).mean("warp") == 0.3
    assert math.isnan(row("a", 20, 0.3).mean("detail"))


def test_every_clip_counts_the_same() -> None:
    long, short = Score({"psnr_y": (10.0,) * 9}), Score({"psnr_y": (20.0,)})
    assert Row("a", "soft", {"long": long, "short": short}).mean("psnr_y") == 15


def test_the_table_has_a_line_for_every_method() -> None:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text(REPORT).splitlines()]
    assert lines[0] == ["set", "method", "PSNR-Y", "E*warp", "detail"]
    assert lines[2:] == [
        ["soft", "a", "20.00", "0.30", "-"], ["soft", "b", "24.00", "0.50", "-"], ["soft", TRUTH, "inf", "0.10", "-"],
    ]  # fmt: skip


def test_every_clip_has_its_own_line() -> None:
    assert len(text_by_clip(REPORT).splitlines()) == 5
    assert "wave" in text_by_clip(REPORT)


def test_the_papers_table_has_metrics_down_and_the_best_bold_but_not_the_truth() -> None:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text_of_paper(REPORT).splitlines()]
    assert lines[0] == ["soft", "a", "b", TRUTH]
    assert lines[2:] == [
        ["PSNR-Y ↑", "20.00", "**24.00**", "inf"], ["E*warp ↓", "**0.30**", "0.50", "0.10"], ["detail", "-", "-", "-"],
    ]  # fmt: skip


def test_methods_that_print_the_same_are_best_together() -> None:
    rows = (row("a", 20.001, 0.3), row("b", 20.004, 0.4))
    assert text_of_paper(Report(rows, MEASURES, Protocol())).count("**20.00**") == 2


def test_every_set_has_a_table_of_the_papers_kind() -> None:
    rows = (row("a", 20, 0.3), row("a", 21, 0.3, "hard"))
    tables = text_of_paper(Report(rows, MEASURES, Protocol())).split("\n\n")
    assert [table.split("|")[1].strip() for table in tables] == ["soft", "hard"]


def test_the_notes_name_the_flow_and_carry_remarks_and_reasons() -> None:
    notes = REPORT.notes()
    assert (
        notes[0] == "E*warp: x1e3, OpenCV DIS (medium), flow of the truth, at full size, squares averaged over channels"
    )
    assert notes[1:] == ["a remark"]
    (reason,) = Report((), metrics_for(("warp_raft",)), Protocol()).notes()
    assert reason.startswith("not measured: E*warp along RAFT needs --raft")


def test_json_has_every_frame_and_how_it_was_measured() -> None:
    plain = json.loads(json.dumps(REPORT.as_json(), allow_nan=False))
    assert plain["settings"]["crop"] == 64
    assert plain["settings"]["scale"] == 4
    assert plain["settings"]["warp"]["warp"] == {
        "flow": "OpenCV DIS (medium)", "of": "the truth", "resolution": 1.0, "normaliser": "elements", "unit": 1e-3,
    }  # fmt: skip
    assert plain["settings"]["versions"]["numpy"] == np.__version__
    assert plain["columns"]["warp"] == {"head": "E*warp", "better": -1}
    clip = plain["rows"][0]["clips"]["wave"]
    assert clip["frames"] == {"psnr_y": [19, 21], "warp": [None, 0.3], "detail": [None, None]}
    assert clip["seconds"] == 0.5
    assert plain["rows"][2]["mean"]["psnr_y"] is None


def test_clips_of_different_lengths_are_not_compared() -> None:
    with pytest.raises(FormatError, match="a clip of 2 frames cannot be compared with a truth of 3"):
        score_of(moving(2), ClipWithFlow(moving(3)), MEASURES)


def test_frames_of_another_size_are_not_compared() -> None:
    with pytest.raises(FormatError, match=r"a frame of \(3, 32, 44\) cannot be compared"):
        score_of(moving(2, 32, 44), ClipWithFlow(moving(2, 32, 40)), MEASURES)


def test_shrinking_keeps_an_even_field_and_the_place_of_things() -> None:
    assert downscale(np.full((3, 16, 24), 0.2, dtype=np.float32)) == pytest.approx(0.2)
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (3, 32, 64))
    assert downscale(ramp)[0, 4, 8] == pytest.approx(ramp[0, 0, 32:36].mean(), abs=1 / 255)


def test_plain_resizing_keeps_an_even_field_and_makes_four_of_one() -> None:
    for upscale in resizers().values():
        (large,) = upscale([np.full((3, 5, 7), 0.4, dtype=np.float32)])
        assert large.shape == (3, 20, 28)
        assert large == pytest.approx(0.4, abs=1e-6)


def test_what_is_shown_is_in_steps_of_a_byte() -> None:
    assert np.array_equal(quantize(picture(8, 8) + np.float32(0.001)), picture(8, 8))
