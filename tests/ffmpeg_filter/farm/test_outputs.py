"""Outputs of farms and batches: no source is written over, any name will do, and what cannot be is said at once."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from ffmpeg_filter.cli import main
from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.farm.options import FarmOptions, parse_titles
from ffmpeg_filter.farm.title import TitleRun
from ffmpeg_filter.transcode.progress import make_reporter
from tests.ffmpeg_filter.farms import farm, farmed, hashes, planned, source
from tests.ffmpeg_filter.files import NEAREST, ffadcvsr, words_of
from vsadcvsr.errors import UsageError

pytestmark = pytest.mark.usefixtures("in_tmp_path")

JOB = Path("job")


def films(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(f"the film {name}".encode())


def plan_of(output: str, *more: str) -> int:
    return farm("plan", JOB, "-- -y -i clip.mkv", *more, f"-vf {NEAREST} -c:v ffv1", output)


@pytest.mark.parametrize("output", ["clip.mkv", "./clip.mkv", "file:clip.mkv", "link.mkv", "hard.mkv", "logo.png"])
def test_a_plan_does_not_write_over_what_it_reads(output: str, capfd: pytest.CaptureFixture[str]) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    films("logo.png")
    Path("link.mkv").symlink_to("clip.mkv")
    os.link("clip.mkv", "hard.mkv")
    before = Path("clip.mkv").read_bytes()
    assert plan_of(output, "-i logo.png -map 0:v -map 0:a") == 64
    assert "is the same file as" in capfd.readouterr().err
    assert Path("clip.mkv").read_bytes() == before
    assert not JOB.exists()


def test_a_merge_does_not_write_over_what_was_linked_to_the_source_since(capfd: pytest.CaptureFixture[str]) -> None:
    planned("-y -c:v ffv1")
    assert farm("work", JOB) == 0
    before = Path("clip.mkv").read_bytes()
    Path("many.mkv").symlink_to("clip.mkv")
    assert farm("merge", JOB) == 64
    assert "is the same file as" in capfd.readouterr().err
    assert Path("clip.mkv").read_bytes() == before


@pytest.mark.parametrize("overwrite", ["-y ", ""])
@pytest.mark.parametrize("template", ["{name}.mkv", "./{name}.mkv", "file:{name}.mkv", "sub/../{name}.mkv"])
def test_a_batch_does_not_write_over_its_sources(overwrite: str, template: str) -> None:
    films("a.mkv", "b.mkv", "sub/c.mkv")
    assert ffadcvsr(f"-farm local {overwrite}-i *.mkv -vf {NEAREST}", template) == 64
    assert Path("a.mkv").read_bytes() == b"the film a.mkv"
    assert sorted(path.name for path in Path().iterdir()) == ["a.mkv", "b.mkv", "sub"]


def test_a_batch_does_not_write_over_the_source_of_another_title() -> None:
    films("a.mkv", "a_x2.mkv")
    with pytest.raises(UsageError, match="is the same file as"):
        parse_titles(parse(words_of(["-farm local -y -i *.mkv -vf adcvsr {name}_x2.mkv"])))


def test_what_a_batch_has_made_before_is_no_source_of_it(caplog: pytest.LogCaptureFixture) -> None:
    films("a.mkv", "a_x2.mkv", "b.mkv")
    titles = parse_titles(parse(words_of(["-farm local -i *.mkv -vf adcvsr {name}_x2.mkv"])))
    assert [title.output for title in titles] == ["a_x2.mkv", "b_x2.mkv"]
    assert caplog.messages == ["left out, as made by this batch before: a_x2.mkv"]


def test_all_outputs_of_a_batch_have_the_name_in_them() -> None:
    films("in/a.mkv", "in/b.mkv")
    with pytest.raises(UsageError, match=r"output 'sound\.mka' has no \{name\} in it"):
        parse_titles(parse(words_of(["-farm local -i in/*.mkv -vf adcvsr {name}.mkv -vn sound.mka"])))
    with pytest.raises(UsageError, match=r"output 'in/b\.mkv' has no \{name\} in it.*quote patterns"):
        parse_titles(parse(words_of(["-farm local -y -i in/a.mkv in/b.mkv -vf adcvsr {name}.mkv"])))
    assert len(parse_titles(parse(words_of(["-farm local -i in/*.mkv -vf adcvsr {name}.mkv -f null -"])))) == 2


@pytest.mark.parametrize(
    "output", ["./12:30 out.mkv", "file:12:30 o.mkv", "./-x.mkv", "file:-x.mkv", "n" * 249 + ".mkv"]
)
def test_a_farm_writes_to_any_name(output: str) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    arguments = [*words_of([f"-i file:clip.mkv -vf {NEAREST} -c:v ffv1 -c:a copy"]), output]
    assert main(["farm", "plan", "job", "--", *arguments]) == 0
    assert [farm("work", JOB), farm("merge", JOB)] == [0, 0]
    path = Path(output.removeprefix("file:")).resolve()
    assert len(hashes(path)) == 30
    assert not list(Path().glob("*part*"))


def test_a_farm_writes_through_links_and_keeps_modes() -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    films("big/r.mkv")
    Path("big/r.mkv").chmod(0o600)
    Path("l.mkv").symlink_to("big/r.mkv")
    farmed(JOB, f"-y -i clip.mkv -vf {NEAREST} -c:v ffv1 -c:a copy l.mkv")
    assert Path("l.mkv").is_symlink()
    assert len(hashes(Path("big/r.mkv"))) == 30
    assert Path("big/r.mkv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("output", "status", "message"),
    [
        ("12:30.mkv", 64, "has the protocol '12', to which this FFmpeg cannot write"),
        ("nowhere/out.mkv", 64, "in a folder that does not exist"),
        ("clip.mkv/out.mkv", 64, "out.mkv"),
        ("folder", 64, "is a folder"),
        ("locked.mkv", 64, "write-protected"),
        ("out.xyz", 65, "out"),
        ("out", 65, "out"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_by_the_plan(
    output: str, status: int, message: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    films("locked.mkv")
    Path("folder").mkdir()
    Path("locked.mkv").chmod(0o444)
    monkeypatch.setattr("ffmpeg_filter.farm.plan._scan_video", lambda *_: pytest.fail("the video was decoded"))
    assert plan_of(output) == status
    assert message in capfd.readouterr().err


def test_a_protocol_that_is_not_known_is_refused_before_a_cluster_is_asked(capfd: pytest.CaptureFixture[str]) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    assert ffadcvsr(f"-farm local -i clip.mkv -vf {NEAREST} -c:v ffv1 12:30.mkv") == 64
    assert "has the protocol '12', to which this FFmpeg cannot write" in capfd.readouterr().err


def test_two_merges_at_once_are_one(capfd: pytest.CaptureFixture[str]) -> None:
    job = planned()
    assert farm("work", JOB) == 0
    with job.claims.claim("merge"):
        assert farm("merge", JOB) == 75
    assert "is merging" in capfd.readouterr().err
    assert farm("merge", JOB) == 0


def test_a_folder_that_cannot_be_is_a_mistake(capfd: pytest.CaptureFixture[str]) -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    assert farm("plan", Path("clip.mkv"), f"-- -i clip.mkv -vf {NEAREST} -c:v ffv1 out.mkv") == 64
    assert farm("plan", Path("clip.mkv/job"), f"-- -i clip.mkv -vf {NEAREST} -c:v ffv1 out.mkv") == 64
    assert capfd.readouterr().err.count("cannot be made") == 2


def test_the_folder_of_a_job_has_a_name_of_any_length() -> None:
    films("in/a.mkv")
    (title,) = parse_titles(parse(words_of(["-farm local -i in/a.mkv -vf adcvsr", Path("n" * 250 + "{name}.mkv")])))
    assert len(TitleRun(title, FarmOptions(address="local"))._folder().name) <= 255


def test_a_report_is_not_written_over_the_source(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    before = Path("clip.mkv").read_bytes()
    assert farm("report", JOB, "-o clip.mkv") == 64
    assert Path("clip.mkv").read_bytes() == before


def test_a_name_that_is_no_utf_8_is_planned_made_merged_shown_and_drawn(capfd: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.mkv")
    try:
        source(Path(name), "-c:v ffv1 -c:a flac")
    except subprocess.CalledProcessError:
        pytest.skip("names are UTF-8 on this file system")
    folder = Path(os.fsdecode(b"caf\xe9.farm"))
    Path("out").mkdir()
    farmed(folder, "-i", Path(name), f"-vf {NEAREST} -c:v ffv1 -c:a copy", Path("out") / name)
    assert len(hashes(Path("out") / name)) == 30
    assert [farm("status", folder), farm("status", folder, "--json"), farm("report", folder)] == [0, 0, 0]
    assert '"merged": true' in capfd.readouterr().out
    assert (folder / "report.html").stat().st_size > 1000


def test_a_merge_that_fails_leaves_nothing_that_looks_like_a_video(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned("-farm_intermediate ffv1 -c:v ffv1")
    assert farm("work", JOB) == 0
    monkeypatch.setattr("ffmpeg_filter.transcode.verify.find_faults", lambda *_: iter(["frames are missing"]))
    assert farm("merge", JOB) == 75
    assert "differs from the plan: frames are missing" in capfd.readouterr().err
    assert not Path("many.mkv").exists()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))
        assert farm("merge", JOB) == 75
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "File too large" in capfd.readouterr().err
    assert not list(Path().glob("many*"))


def test_a_job_in_a_folder_of_other_files_removes_its_own_alone() -> None:
    source(Path("video.mkv"), "-c:v ffv1 -c:a flac")
    films("pass-1.log", "chunks/a.mkv", "ledger/a.txt", "trial-1/a.txt")
    before = sorted(Path().rglob("*"))
    (title,) = parse_titles(parse(words_of([f"-farm local -i video.mkv -vf {NEAREST} -c:v libx264 out.mkv"])))
    run = TitleRun(title, FarmOptions(address="local", folder=Path().resolve()))
    with make_reporter(None, enabled=False) as reporter:
        run.plan(reporter)
        assert farm("work", Path()) == 0
        run.merge(reporter, lambda: None)
    assert sorted(Path().rglob("*")) == sorted([*before, Path("out.mkv")])


@pytest.mark.parametrize("options", ["-c:v ffv1", "-c:v libx264 -b:v 90k -pass 2"])
def test_what_plans_and_merges_that_were_killed_have_left_is_removed_by_the_next_merge(options: str) -> None:
    planned(options)
    assert farm("work", JOB) == 0
    before = sorted(JOB.iterdir())
    films(
        f"job/video.{'0' * 16}.mkv", f"job/pass-{'0' * 16}-0.log", f"job/pass-{'0' * 16}-0.log.mbtree",
        "job/trial-ab_1cd23/chunk.mkv", f"job/job.json.{'0' * 16}.part", f"job/frames-0a.txt.{'0' * 16}.part",
    )  # fmt: skip
    assert farm("merge", JOB) == 0
    assert sorted(JOB.iterdir()) == before
