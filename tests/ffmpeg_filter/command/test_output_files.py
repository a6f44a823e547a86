"""Where outputs are written, and what is refused before anything is touched."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ffmpeg_filter.cli import main
from ffmpeg_filter.command import file_lock, output_files
from ffmpeg_filter.command.argv import File, Option, parse
from ffmpeg_filter.command.output_files import OutputError
from tests.ffmpeg_filter.files import NEAREST, command, decoded, ffadcvsr, surroundings

FILTER = f"-vf {NEAREST} -c:v ffv1 -c:a copy"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*arguments: str, overwrite: bool = True) -> OutputError:
    with pytest.raises(OutputError) as error:
        output_files.check(parse(arguments), overwrite=overwrite)
    assert len(str(error.value).splitlines()) == 1
    return error.value


def allowed(*arguments: str, overwrite: bool = True) -> None:
    output_files.check(parse(arguments), overwrite=overwrite)


@pytest.mark.parametrize(
    "name", ["a.mkv", "./a.mkv", "file:a.mkv", "sub/../a.mkv", "link.mkv", "hard.mkv", "far/a.mkv"]
)
def test_an_output_that_is_an_input_is_refused_whatever_it_is_called(name: str, here: Path) -> None:
    (here / "a.mkv").write_text("mine")
    (here / "sub").mkdir()
    (here / "link.mkv").symlink_to("a.mkv")
    (here / "hard.mkv").hardlink_to(here / "a.mkv")
    (here / "far").symlink_to(here)
    for inputs in (["-i", "a.mkv"], ["-i", "b.mkv", "-i", str(here / "a.mkv")], ["-i", "cache:a.mkv"]):
        assert refused(*inputs, name).number == errno.EINVAL
    assert refused("-i", "b.mkv", "c.mkv", name, "-i", "a.mkv").number == errno.EINVAL
    assert (here / "a.mkv").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-i", "list.ffconcat", "a.mkv"],
        ["-f", "concat", "-safe", "0", "-i", "names", "a.mkv"],
        ["-i", "concat:b.ts|a.mkv", "a.mkv"],
        ["-i", "subfile,,start,0,end,9,,:a.mkv", "a.mkv"],
        ["-i", "p%02d.png", "p03.png"],
        ["-pattern_type", "glob", "-i", "p*.png", "p03.png"],
        ["-i", "p03.png", "p%02d.png"],
        ["-i", "p03.png", "-f", "image2", "p%d.png"],
        ["-i", "s3.ts", "s.m3u8"],
        ["-i", "b", "-filter_complex", "movie=a.mkv[x];[0:v][x]overlay", "a.mkv"],
        ["-i", "b", "-vf", "adcvsr,subtitles=a.mkv", "a.mkv"],
        ["-i", "b", "-vf", "subtitles=filename='a.mkv':si=1", "a.mkv"],
        ["-f", "lavfi", "-i", "movie=a.mkv", "a.mkv"],
        ["-i", "b", "-/filter:v", "graph.txt", "graph.txt"],
        ["-i", "b", "-attach", "a.mkv", "a.mkv"],
        ["-i", "b", "-passlogfile", "two", "two-0.log"],
        ["-i", "a.mkv", "-f", "tee", "[f=matroska]c.mkv|[f=matroska]a.mkv"],
        ["-i", "b", "c.mkv", "c.mkv"],
        ["-i", "b", "c.mkv", "./c.mkv"],
    ],
)  # fmt: skip
def test_an_output_that_the_command_reads_in_another_way_is_refused(arguments: list[str], here: Path) -> None:
    for name in ("a.mkv", "p03.png", "s3.ts", "graph.txt", "two-0.log"):
        (here / name).touch()
    for name in ("list.ffconcat", "names"):
        (here / name).write_text("ffconcat version 1.0\nfile b.mkv\nfile 'a.mkv'\n")
    assert refused(*arguments).number == errno.EINVAL


def test_what_an_interrupted_run_left_may_be_an_input(here: Path) -> None:
    (here / "a.adcvsr-part.mkv").touch()
    assert refused("-i", "a.adcvsr-part.mkv", "a.mkv").number == errno.EINVAL
    allowed("-i", "a.adcvsr-part.mkv", "b.mkv")


def test_other_files_may_be_overwritten(here: Path) -> None:
    for name in ("a.mkv", "b.mkv", "p03.png"):
        (here / name).touch()
    allowed("-i", "a.mkv", "b.mkv")
    allowed("-i", "a.mkv", "q%02d.png")
    allowed("-i", "a.mkv", "b.mkv", "c.mkv")
    allowed("-i", "a.mkv", "-f", "null", "-", "-f", "null", "-")
    allowed("-i", "a.mkv", "-f", "nut", "/dev/null", "-f", "nut", "/dev/null")


def test_what_ffmpeg_refuses_is_refused_with_its_status(here: Path) -> None:
    (here / "file").touch()
    (here / "folder.mkv").mkdir()
    assert refused("-i", "a", "no/x.mkv").status((61, 0)) == 254
    assert refused("-i", "a", "no/x.mkv").status((57, 28)) == 1
    assert refused("-i", "a", "folder.mkv").status((61, 0)) == 235
    assert refused("-i", "a", "new.mkv/").status((61, 0)) == 235
    assert refused("-i", "a", "file/x.mkv").status((61, 0)) == 236
    assert refused("-i", "a", "a" * 260).status((61, 0)) == 220
    assert refused("-i", "a", "file", overwrite=False).status((61, 0)) == 1
    (here / "round.mkv").symlink_to("round.mkv")
    assert refused("-i", "a", "round.mkv").number == errno.ELOOP


def test_a_write_protected_file_is_refused_to_the_superuser_as_well(here: Path) -> None:
    (here / "kept.mkv").touch()
    (here / "kept.mkv").chmod(0o444)
    assert refused("-i", "a", "kept.mkv").status((61, 0)) == 243


def part(url: str, *options: Option) -> str | None:
    return output_files.temporary_path(File(options, url, is_input=False))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("12.30 out.mkv", "12.30 out.adcvsr-part.mkv"),
        ("./12:30 out.mkv", "12:30 out.adcvsr-part.mkv"),
        ("file:12:30 out.mkv", "12:30 out.adcvsr-part.mkv"),
        ("./-x.mkv", "-x.adcvsr-part.mkv"),
        ("100% real.mkv", "100% real.adcvsr-part.mkv"),
        (".mkv", ".adcvsr-part.mkv"),
        ("out%d.png", None),
        ("out.png", "out.adcvsr-part.png"),
        *((url, None) for url in ("md5:", "md5:o.md5", "crypto:x.mkv", "tcp://h:1", "udp://h:1", "12:30 out.mkv", "x",
                                  "http://h/x.mkv", "fd:", "pipe:3", "/dev/stdout", "/dev/fd/3", "/proc/self/fd/1")),
    ],
)  # fmt: skip
def test_what_is_a_file_is_decided_as_ffmpeg_does_it(url: str, expected: str | None) -> None:
    assert part(url) == expected


def test_a_name_that_is_almost_too_long_has_a_short_one_until_it_is_whole(here: Path) -> None:
    for name in ("a" * 251 + ".mkv", "é" * 125 + ".mkv", "x." + "y" * 250):
        result = part(name, Option("-f", "matroska"))
        assert result is not None
        (here / result).touch()  # it is not too long
        assert result != part(name.replace(name[3], "b"), Option("-f", "matroska"))


@pytest.mark.parametrize("name", ["./12:30 out.mkv", "file:12:30 o.mkv", "./-x.mkv", "file:-x.mkv", f"{'n' * 245}.mkv"])
def test_any_name_that_ffmpeg_writes_is_written(name: str, clip: Path) -> None:
    assert main(["-nostats", "-i", str(clip), *FILTER.split(), name]) == 0
    written = Path(name.removeprefix("file:"))
    assert len(decoded(written.absolute())) == 10
    assert not list(Path().glob("*adcvsr-part*"))


def test_a_source_outlives_a_command_that_would_overwrite_it(
    clip: Path, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = clip.read_bytes()
    (here / "again.mkv").symlink_to(clip)
    for name in ("clip.mkv", "again.mkv"):
        assert ffadcvsr("-nostats -y -i", clip, FILTER, name) in {1, 234}
        assert "is the same file as" in capfd.readouterr().err
    assert clip.read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == ["again.mkv", "clip.mkv"]


def test_links_modes_and_other_names_of_an_output_stay(clip: Path, here: Path) -> None:
    (here / "far").mkdir()
    for name in ("plain.mkv", "far/real.mkv", "twice.mkv"):
        (here / name).write_text("old")
        (here / name).chmod(0o600)
    (here / "link.mkv").symlink_to("far/real.mkv")
    (here / "dangling.mkv").symlink_to("far/new.mkv")
    (here / "other.mkv").hardlink_to(here / "twice.mkv")
    for name in ("plain.mkv", "link.mkv", "dangling.mkv", "twice.mkv"):
        assert ffadcvsr("-nostats -y -i", clip, FILTER, name) == 0
        assert len(decoded(here / name)) == 10
    assert (here / "link.mkv").is_symlink()
    assert (here / "dangling.mkv").is_symlink()
    assert (here / "twice.mkv").samefile(here / "other.mkv")
    assert {stat.S_IMODE((here / name).stat().st_mode) for name in ("plain.mkv", "link.mkv", "twice.mkv")} == {0o600}
    assert not list(here.glob("**/*adcvsr-part*"))


def test_what_another_run_writes_is_left_to_it(clip: Path, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    part = here / "out.adcvsr-part.mkv"
    arguments: list[str | Path] = ["-y -i", clip, f"-vf {NEAREST} -c:v ffv1", here / "out.mkv"]
    with file_lock.exclusive_file(part, 0o666):
        part.write_text("its own")
        assert ffadcvsr(*arguments) != 0
        assert "is being written by another run" in capfd.readouterr().err
        assert part.read_text() == "its own"
    output = here / "kept.mkv"
    output.hardlink_to(part)
    assert ffadcvsr(*arguments) == 0
    assert output.read_text() == "its own"
    assert len(decoded(here / "out.mkv")) == 10
    assert not part.exists()


def test_a_claim_goes_with_the_file_that_is_published(here: Path) -> None:
    with file_lock.exclusive_file(here / "part", 0o666):
        (here / "part").replace(here / "film")
        with file_lock.exclusive_file(here / "part", 0o600):
            assert (here / "part").stat().st_size == 0
    assert (here / "film").exists()


def test_of_two_runs_at_once_one_writes(clip: Path, here: Path) -> None:
    command_line = command("-y -i", clip, f"-vf {NEAREST} -c:v ffv1", here / "out.mkv")
    runs = [subprocess.Popen(command_line, env=surroundings(), stderr=subprocess.DEVNULL) for _ in range(2)]
    assert 0 in [run.wait(60) for run in runs]
    assert len(decoded(here / "out.mkv")) == 10
    assert not (here / "out.adcvsr-part.mkv").exists()


def test_a_command_that_both_does_and_does_not_overwrite_is_refused(here: Path) -> None:
    assert refused("-y", "-n", "-i", "a.mkv", "b.mkv").number == errno.EINVAL
    allowed("-n", "-i", "a.mkv", "b.mkv", overwrite=False)


def test_a_new_file_has_the_mode_that_the_umask_leaves(clip: Path, here: Path) -> None:
    before = os.umask(0o027)
    try:
        assert ffadcvsr("-nostats -i", clip, FILTER, "new.mkv") == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((here / "new.mkv").stat().st_mode) == 0o640


def test_all_files_of_a_command_have_other_names_until_they_are_whole(clip: Path, here: Path) -> None:
    assert ffadcvsr("-nostats -i", clip, FILTER, "a.mkv -map 0:a b.mka") == 0
    assert sorted(path.name for path in here.iterdir()) == ["a.mkv", "b.mka", "clip.mkv"]
    assert ffadcvsr("-nostats -y -i", clip, FILTER, "a2.mkv -map 0:a -c:a nothing b2.mka") != 0
    assert sorted(path.name for path in here.iterdir()) == ["a.mkv", "b.mka", "clip.mkv"]


def test_protocols_and_pipes_are_written_as_ffmpeg_does_it(clip: Path, here: Path) -> None:
    for arguments in ("-f rawvideo md5:o.md5", "-f framemd5 o.framemd5", "-f rawvideo -y /dev/null", "-f null -"):
        assert ffadcvsr("-nostats -i", clip, f"-vf {NEAREST} -an", arguments) == 0
    os.mkfifo("fifo.mkv")
    with subprocess.Popen(["cat", "fifo.mkv"], stdout=subprocess.PIPE) as cat:
        assert ffadcvsr("-nostats -y -i", clip, FILTER, "fifo.mkv") == 0
        assert len(cat.communicate()[0]) > 1000
    assert sorted(path.name for path in here.iterdir()) == ["clip.mkv", "fifo.mkv", "o.framemd5", "o.md5"]


@pytest.mark.requires("superuser")  # who alone can become another
def test_another_users_file_keeps_its_owner(clip: Path, here: Path) -> None:
    (here / "theirs.mkv").touch()
    shutil.chown(here / "theirs.mkv", 65534, 65534)
    assert ffadcvsr("-nostats -y -i", clip, FILTER, "theirs.mkv") == 0
    assert (here / "theirs.mkv").stat().st_uid == 65534


def test_standard_output_may_have_a_name(clip: Path, here: Path) -> None:
    with (here / "o.mkv").open("wb") as file:
        command_line = command("-nostats -y -i", clip, FILTER, "-f matroska /dev/stdout")
        assert subprocess.run(command_line, env=surroundings(), stdout=file, timeout=60, check=False).returncode == 0
    assert len(decoded(here / "o.mkv")) == 10
