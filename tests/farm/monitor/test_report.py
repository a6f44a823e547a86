"""The page on a job: what is on it, that it needs nothing, and that it is alive in a browser."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.browser import asks_nothing_of_the_world, content, dom
from tests.farm.jobs import planned
from tests.farm.ledgers import line, made, note
from vsadcvsr.farm.monitor.attempts import attempts
from vsadcvsr.farm.monitor.report import Preview, TimeAxis, lanes, rates, report
from vsadcvsr.farm.monitor.status import JobTracker
from vsadcvsr.farm.monitor.summary import merge_spans, total_length
from vsadcvsr.farm.store.job import Job
from vsadcvsr.html_page import data_uri

CAUSE = "disk </script><b> full"
DOT = data_uri("png", b"a picture, as far as this is concerned")
SAMPLE = Preview(frame=7, chunk=0, at=0.28, width=1, height=1, before=DOT, after=DOT, numbers={"PSNR": "9 dB"})


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Planned, half done with a failure and a loss, and gone on with a day later."""
    job = planned(tmp_path / "job")
    note(
        job,
        line("planned", 110, worker="head:9", seconds=10),
        *made(111, 121, 0),
        *[line("begun", 111, 1, "far:2"), line("failed", 114, 1, "far:2", cause=CAUSE)],
        line("begun", 115, 2, "far:2"),
        *made(90_000, 90_010, 1, "near:3"),
        *made(90_010, 90_020, 2, "near:3"),
        *made(90_011, 90_021, 3),
        line("merged", 90_030, worker="head:9", seconds=5),
    )
    return job


def data(job: Job, *more: Any) -> Any:
    return content(report(JobTracker(job), *more).decode())


def test_every_attempt_is_on_it_with_its_end(job: Job) -> None:
    bars = [(bar["chunk"], bar["worker"], bar["outcome"]) for lane in data(job)["lanes"] for bar in lane["bars"]]
    assert sorted(bars) == [
        (0, "far:1", "done"), (1, "far:2", "failed"), (1, "near:3", "done"), (2, "far:2", "lost"),
        (2, "near:3", "done"), (3, "far:1", "done"),
    ]  # fmt: skip


def test_a_day_without_anybody_is_left_out_of_the_axis_and_told(job: Job) -> None:
    shown = data(job)
    assert shown["length"] == pytest.approx(25 + 30)
    assert shown["pauses"] == [[pytest.approx(25), pytest.approx(90_000 - 125)]]
    assert shown["summary"]["idle"] > 80_000


def test_what_went_wrong_is_listed_with_its_cause_and_who_made_it_then(job: Job) -> None:
    listed = [(item["chunk"], item["outcome"], item["cause"], item["then"]) for item in data(job)["trouble"]]
    assert listed == [(1, "failed", CAUSE, "near:3"), (2, "lost", "no word came of its end", "near:3")]


def test_who_is_at_work_now_is_shown_until_now(job: Job) -> None:
    note(job, line("begun", time.time() - 100, 3, "far:8"))
    (bar,) = [bar for lane in data(job)["lanes"] for bar in lane["bars"] if bar["worker"] == "far:8"]
    assert bar["outcome"] == "lost"  # for the chunk is there
    (job.chunk_folder / "3.bin").unlink()
    (bar,) = [bar for lane in data(job)["lanes"] for bar in lane["bars"] if bar["worker"] == "far:8"]
    assert (bar["outcome"], bar["seconds"]) == ("open", pytest.approx(100, abs=5))


def test_a_job_that_nobody_has_begun_has_a_page(tmp_path: Path) -> None:
    shown = data(planned(tmp_path / "job"))
    assert (shown["lanes"], shown["length"], shown["facts"][0]) == ([], 0, ["State", "not done yet"])


def test_it_asks_nothing_of_the_world_and_keeps_foreign_words_as_words(job: Job) -> None:
    text = report(JobTracker(job), [SAMPLE], ["a <note>"]).decode()
    assert asks_nothing_of_the_world(text)
    assert text.count("<script") == 2
    assert content(text)["notes"] == ["a <note>"]


def test_workers_of_one_machine_that_follow_each_other_share_a_row() -> None:
    entries = [
        *made(0, 5, 0, "a:1"),
        *made(6, 9, 1, "a:2"),
        *made(6, 9, 2, "a:3"),
        *made(9, 12, 3, "a:1"),
        *made(0, 1, 4, "b:1"),
    ]
    rows = [
        (label, [item.chunk for item in row])
        for label, row in lanes(attempts(sorted(entries, key=lambda item: item.at)))
    ]
    assert rows == [("a:1", [0, 3]), ("a:2", [1]), ("a:3", [2]), ("b:1", [4])]
    entries = [*made(0, 5, 0, "a:1"), *made(6, 9, 1, "a:2")]
    assert [label for label, _ in lanes(attempts(entries))] == ["a"]


_MADE = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 40), st.integers(0, 3), st.integers(1, 50)), min_size=1, max_size=20
)


@given(_MADE)
def test_no_frame_is_lost_between_the_parts_of_the_curve(rows: list[tuple[int, int, int, int]]) -> None:
    lines = [
        item
        for at, (begin, took, _, frames) in enumerate(rows)
        for item in made(begin, begin + took, 0, f"a:{at}", frames)
    ]
    tried = attempts(sorted(lines, key=lambda item: item.at))
    axis = TimeAxis((attempt.begun, attempt.ended) for attempt in tried)
    result = rates(tried, axis, 30)
    wanted = sum(attempt.frames for attempt in tried if attempt.outcome == "done")
    assert sum(result) * axis.length / 30 == pytest.approx(wanted, rel=1e-2, abs=0.1)


@given(_MADE)
def test_the_axis_rises_with_time_and_forgets_only_long_pauses(rows: list[tuple[int, int, int, int]]) -> None:
    spans = [(begin, begin + took) for begin, took, _, _ in rows]
    axis = TimeAxis(spans)
    assert all(axis.at(second) <= axis.at(second + 1) for second in range(340))
    assert axis.length == pytest.approx(axis.at(1e9))
    assert axis.length >= total_length(merge_spans(spans)) - 1e-6
    assert all(seconds >= 5 for _, seconds in axis.pauses())


@given(_MADE)
def test_no_two_of_a_row_are_at_once_and_none_is_left_out(intervals: list[tuple[int, int, int, int]]) -> None:
    busy: dict[str, int] = {}
    lines = []
    for begin, took, worker, _ in sorted(intervals):
        name = f"a:{worker}"
        start = max(begin, busy.get(name, 0))
        busy[name] = start + took
        lines += made(start, start + took, 0, name)
    tried = attempts(sorted(lines, key=lambda item: item.at))
    rows = [row for _, row in lanes(tried)]
    assert sum(map(len, rows)) == len(tried)
    assert all(before.ended <= after.begun for row in rows for before, after in pairwise(row))


HANDS = """<script>
document.querySelector(".bar[tabindex='0']").focus();
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
["ArrowDown", "ArrowDown", "ArrowDown", "End"].forEach(press);
const slider = document.querySelector(".pair input");
slider.value = 25; slider.dispatchEvent(new Event("input"));
document.querySelector("figcaption button").click();
document.body.dataset.wide = document.documentElement.scrollWidth <= innerWidth;
document.body.dataset.said = document.getElementById("said").textContent;
</script></body>"""


@pytest.mark.parametrize("size", ["1200,800", "420,800"])
def test_it_comes_alive_in_a_browser_and_obeys_the_keyboard(size: str, job: Job, tmp_path: Path) -> None:
    wide = replace(SAMPLE, width=1000, height=500)
    page = report(JobTracker(job), [wide], ["a note"]).decode().replace("</body>", HANDS)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    seen = dom((tmp_path / "page.html").as_uri(), tmp_path, f"--window-size={size}")
    assert 'data-drawn="5 8 1"' in seen
    assert 'data-said="chunk 2 on far:2: no word of its end, begun 00:01:55 UTC, 10 s: no word came of its end"' in seen
    assert "--split: 25%" in seen
    assert "width: 1000px" in seen
    assert 'data-wide="true"' in seen
    assert "disk &lt;/script&gt;&lt;b&gt; full" in seen
