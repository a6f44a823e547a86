"""What is seen of a job while others work on it."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.farm.jobs import Maker, planned
from tests.farm.ledgers import line, made, note
from tests.waiting import wait_until
from vsadcvsr.errors import UsageError
from vsadcvsr.farm.monitor import watch as watch_module
from vsadcvsr.farm.monitor.watch import JobWatcher
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def objects(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(text) for text in stream.getvalue().splitlines()]


def test_it_ends_with_the_last_chunk_and_sums_up(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_MIN_INTERVAL", 0.02)
    stream = io.StringIO()
    worker = Worker(job, Maker(job, lambda _: time.sleep(0.03)), "e")
    thread = threading.Thread(target=lambda: list(worker.process_all()))
    with JobWatcher([job], stream=stream) as watch:
        thread.start()
        watch.wait()
    thread.join()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "ffadcvsr: job: 0/100 frames, 0/4 chunks, 0 at work"
    assert "ffadcvsr: job: 100/100 frames, 4/4 chunks, 0 at work" in lines
    assert any(text.startswith("ffadcvsr: job: 4/4 chunks, 100/100 frames in ") for text in lines)
    assert f"{worker.name}  " in lines[-1]


@pytest.mark.parametrize(("least", "message"), [(logging.ERROR, "c"), (logging.WARNING, "bc"), (logging.INFO, "abc")])
def test_messages_below_the_level_are_not_printed(job: Job, least: int, message: str) -> None:
    stream = io.StringIO()
    with JobWatcher([job], stream=stream, least=least) as watch:
        watch.activity("a")
        note(job, *made(0, 0, 1))
        note(job, line("failed", 1, 2, cause="b"))
        watch.refresh()
        watch.inform("a")
        watch.warn("b")
        watch.notify("c")
    text = stream.getvalue()
    assert {letter for letter in "abc" if f": {letter}\n" in text} == set(message)
    assert ("frames" in text) is (least == logging.INFO)
    assert ("failed" in text) is (least <= logging.WARNING)


def test_off_a_terminal_lines_do_not_come_with_every_chunk(job: Job) -> None:
    stream = io.StringIO()
    watch = JobWatcher([job], stream=stream)
    for number in range(3):
        note(job, *made(number, number + 1, number))
        watch.refresh()
    assert len(stream.getvalue().splitlines()) == 1


def test_programs_get_an_object_for_every_change_and_none_without(job: Job) -> None:
    stream = io.StringIO()
    watch = JobWatcher([job], style="json", stream=stream)
    for number in range(2):
        note(job, *made(number, number + 1, number))
        watch.refresh()
        watch.refresh()
    lines = objects(stream)
    assert [(item["event"], item["done"], item["frames_done"]) for item in lines] == [
        ("progress", 1, 25),
        ("progress", 2, 50),
    ]
    assert lines[0]["job"] == str(job.folder)


def test_what_fails_is_said_once_with_its_cause_and_not_what_failed_before(job: Job) -> None:
    note(job, line("begun", 1, 0), line("failed", 2, 0, cause="long ago"))
    stream = io.StringIO()
    watch = JobWatcher([job], stream=stream)
    watch.refresh()
    note(job, line("begun", 3, 1), line("failed", 4, 1, cause="disk full"))
    note(job, line("begun", 5, 2), line("begun", 6, 2, "far:2"))
    watch.refresh()
    watch.refresh()
    lines = [text for text in stream.getvalue().splitlines() if "chunk " in text]
    assert lines == [
        "ffadcvsr: job: chunk 1 failed on far:1: disk full",
        "ffadcvsr: job: chunk 2 lost on far:1: no word came of its end",
    ]


def test_many_failures_at_once_are_counted(job: Job) -> None:
    stream = io.StringIO()
    watch = JobWatcher([job], stream=stream)
    watch.refresh()
    pairs = [
        (line("begun", at, 0, f"far:{at}"), line("failed", at + 0.5, 0, f"far:{at}", cause="x")) for at in range(50)
    ]
    note(job, *(item for pair in pairs for item in pair))
    watch.refresh()
    assert "job: 42 more failures" in stream.getvalue()
    assert len(stream.getvalue().splitlines()) < 12


def test_a_job_that_is_not_done_has_no_summary(job: Job) -> None:
    stream = io.StringIO()
    with JobWatcher([job], style="json", stream=stream):
        note(job, *made(1, 2, 0))
    assert {item["event"] for item in objects(stream)} == {"progress"}


def test_jobs_can_be_added_and_are_told_apart(job: Job, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    other = planned(tmp_path / "two" / "other")
    stream = io.StringIO()
    watch = JobWatcher(style="json", stream=stream)
    watch.add(job)
    watch.refresh()
    watch.add(other)
    note(other, line("merged", 5))
    first, second = watch.refresh()
    assert (first.merged, second.merged) == (False, True)
    assert [Path(str(item["job"])).name for item in objects(stream)] == ["job", "other"]


def test_a_terminal_shows_who_is_at_what_below_what_was_said(job: Job) -> None:
    stream = Terminal()
    note(job, *made(1, 2, 0), line("begun", time.time(), 1, "gpu-7:12"))
    with JobWatcher([job], stream=stream) as watch:
        watch.activity("planning b.mkv")
        watch.notify("a [red]word[/red]")
    text = stream.getvalue()
    assert "ffadcvsr: a [red]word[/red]" in text
    assert "25%" in text
    assert "gpu-7:12" in text
    assert "planning b.mkv" in text


def test_a_terminal_shows_some_of_a_thousand_workers(job: Job, tmp_path: Path) -> None:
    stream = Terminal()
    now = time.time()
    job = replace(
        job, folder=tmp_path / "large", chunks=[Chunk(item, item, item + 1, item, item + 1) for item in range(1000)]
    )
    job = job.write()
    note(job, *(line("begun", now + number, number, f"gpu-{number}:1") for number in range(1000)))
    watch = JobWatcher([job], stream=stream)
    watch.refresh()
    with watch:
        pass
    assert "and 988 more" in stream.getvalue()


def test_a_folder_that_cannot_be_read_for_a_while_does_not_end_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_MIN_INTERVAL", 0.01)
    stream = io.StringIO()
    with JobWatcher([job], stream=stream) as watch:
        (job.folder / "ledger").write_text("in the way")
        wait_until(lambda: "cannot be read now" in stream.getvalue(), "the word of it")
        (job.folder / "ledger").unlink()
        note(job, line("merged", 5))
        watch.wait()
    assert "merged" in stream.getvalue()


def test_a_folder_that_stays_away_is_said_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_MIN_INTERVAL", 0.001)
    stream = io.StringIO()
    with JobWatcher([job], stream=stream):
        (job.folder / "ledger").write_text("in the way")
        time.sleep(0.1)
    assert stream.getvalue().count("cannot be read now") == 1


class Broken(io.StringIO):
    """A pipe whose reader has gone after a line."""

    def write(self, text: str) -> int:
        if self.getvalue():
            raise BrokenPipeError("nobody listens")
        return super().write(text)


def test_a_listener_that_leaves_ends_the_waiting_and_nothing_else(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_MIN_INTERVAL", 0.01)
    with JobWatcher([job], style="json", stream=Broken()):
        note(job, *made(1, 2, 0))
        time.sleep(0.1)
    with JobWatcher([job], style="json", stream=Broken()) as watch:
        note(job, *made(1, 2, 1))
        with pytest.raises(BrokenPipeError):
            watch.wait()


def test_several_jobs_come_to_one_line(job: Job, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    other = planned(tmp_path / "two" / "other")
    note(job, *made(1, 2, 0))
    now = time.time()
    note(other, *made(now - 10, now, 0), *made(now - 10, now, 1, "far:2"), line("begun", now, 2))
    stream = io.StringIO()
    JobWatcher([job, other], stream=stream).refresh()
    assert stream.getvalue().splitlines()[-1] == (
        "ffadcvsr: 2 jobs: 75/200 frames, 3/8 chunks, 1 at work, 2.5 fps, eta 50.0 s"
    )


def test_of_many_jobs_a_terminal_shows_those_that_go_on(job: Job, tmp_path: Path) -> None:
    others = [planned(tmp_path / f"job{number}") for number in range(20)]
    note(job, line("merged", 5))
    stream = Terminal()
    with JobWatcher([job, *others], stream=stream):
        pass
    assert "1 of 21 jobs done" in stream.getvalue()
    assert "job3\x1b" in stream.getvalue()
    assert "job4\x1b" not in stream.getvalue()


def test_a_style_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="rich, plain, json"):
        JobWatcher(style="loud")  # type: ignore[arg-type]
