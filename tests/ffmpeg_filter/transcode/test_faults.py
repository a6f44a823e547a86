"""What goes wrong ends with one clear line and a status, never with a file that looks finished."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ffmpeg_filter.command.output_files import OutputError
from ffmpeg_filter.media.binary import Binary, find_binary
from tests.ffmpeg_filter.files import (
    NEAREST,
    PICTURES,
    SOUND,
    command,
    decoded,
    ffadcvsr,
    ffmpeg,
    plain_status,
    surroundings,
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "clip.mkv"
    ffmpeg(PICTURES, SOUND, "-c:v ffv1 -c:a flac", path)
    return path


def fails(capfd: pytest.CaptureFixture[str], *arguments: str | Path, status: int = 1) -> str:
    """What is said by a command that must fail with that status: one line."""
    assert ffadcvsr("-nostats", *arguments) == status
    lines = [line for line in capfd.readouterr().err.splitlines() if "no matrix" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("ffadcvsr: ")
    return lines[0]


def test_an_ffmpeg_that_is_not_there_is_named(
    clip: Path, out: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADCVSR_FFMPEG", "/nowhere/ffmpeg")
    assert "ADCVSR_FFMPEG is '/nowhere/ffmpeg'" in fails(capfd, "-i", clip, f"-vf {NEAREST}", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-vf adcvsr=modell=fast", "did you mean 'model'?"),
        ("-vf adcvsr=model=nowhere", "nowhere"),
        ("-vf adcvsr=scale=9", "scale is 9"),
        ("-vf adcvsr=scale", "scale"),
        ("-vf adcvsr=width=many", "'many'"),
        ("-vf [in]adcvsr[", "["),
        ("-vf adcvsr,adcvsr", "2 times"),
        ("-vf adcvsr=enable=random(1)", "enable"),
        ("-filter:a adcvsr", "audio"),
        ("-vf adcvsr -c:v copy", "copy"),
        ("-vf adcvsr -map 0:a", "video stream"),
        ("-vf adcvsr=model=nearest -adcvsr_on_corrupt often", "warn, fail"),
    ],
)
def test_impossible_commands_are_refused_in_one_line(
    arguments: str, message: str, clip: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(capfd, "-i", clip, arguments, out)
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-c:v libnothing", "Unknown encoder 'libnothing'"),
        ("-c:v libx264 -crf high", "crf"),
        ("-nonsense 1", "nonsense"),
        ("-c:v ffv1 -f matrsoka", "matrsoka"),
    ],
)
def test_ffmpegs_own_complaints_come_through_with_its_status(
    arguments: str, message: str, clip: Path, out: Path, each_ffmpeg: Binary, capfd: pytest.CaptureFixture[str]
) -> None:
    status = plain_status("-i", clip, arguments, out.with_name("plain.mkv"))
    assert status
    assert message in fails(capfd, "-i", clip, f"-vf {NEAREST}", arguments, out, status=status)
    assert not out.exists()


def test_a_filter_of_ffmpegs_that_does_not_exist_is_named(
    clip: Path, out: Path, each_ffmpeg: Binary, capfd: pytest.CaptureFixture[str]
) -> None:
    status = plain_status("-i", clip, "-vf sharper -f null -")
    assert "No such filter: 'sharper'" in fails(capfd, "-i", clip, f"-vf sharper,{NEAREST}", out, status=status)
    assert "No such filter: 'sharper'" in fails(capfd, "-i", clip, f"-vf {NEAREST},sharper", out, status=status)


def test_a_source_filter_with_adcvsr_is_refused(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = fails(capfd, f"-f lavfi -i testsrc2=d=1,{NEAREST}", out)
    assert "adcvsr is in the input" in message
    assert "-vf and -filter_complex" in message


def test_an_input_that_is_not_there_is_named(out: Path, each_ffmpeg: Binary, capfd: pytest.CaptureFixture[str]) -> None:
    absent = out.with_name("no.mkv")
    line = fails(capfd, "-i", absent, f"-vf {NEAREST}", out, status=plain_status("-i", absent, "-f null -"))
    assert "no.mkv: " in line
    assert "No such file or directory" in line


def test_an_empty_input_is_reported(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    empty = out.with_name("empty.mkv")
    empty.touch()
    assert "empty.mkv is empty" in fails(capfd, "-i", empty, f"-vf {NEAREST}", out, status=183)


def test_a_source_without_frames_is_reported(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sound = out.with_name("sound.mkv")
    ffmpeg(SOUND, sound)
    assert "without video" in fails(capfd, "-i", sound, f"-vf {NEAREST}", out)


@pytest.mark.parametrize("place", [0, 1])
def test_a_start_after_the_end_is_reported_once(
    place: int, clip: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments: list[str | Path] = ["-i", clip]
    arguments.insert(2 * place, "-ss 5")
    line = fails(capfd, *arguments, f"-vf {NEAREST}", out)
    assert "no video frame came" in line
    assert "-ss, -t, -to or a filter before adcvsr" in line


def test_an_output_of_no_known_format_goes_by_its_own_name(
    clip: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    foreign = out.with_suffix(".foo")
    status = plain_status("-i", clip, foreign)
    line = fails(capfd, "-i", clip, f"-vf {NEAREST}", foreign, status=status)
    assert f"{foreign}'" in line
    assert "adcvsr-part" not in line


def test_nothing_is_overwritten_unasked(clip: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out.write_text("mine")
    assert "-y" in fails(capfd, "-i", clip, f"-vf {NEAREST}", out)
    assert out.read_text() == "mine"
    assert ffadcvsr("-y -i", clip, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert len(decoded(out)) == 10


def test_an_output_in_no_folder_is_refused_before_anything_is_done(
    clip: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = OutputError("", errno.ENOENT).status(find_binary().version)
    line = fails(capfd, "-i", clip, f"-vf {NEAREST}", out / "a" / "b.mkv", status=status)
    assert "a folder that does not exist" in line


def test_a_full_disk_is_an_error_and_no_wait(
    clip: Path, each_ffmpeg: Binary, capfd: pytest.CaptureFixture[str]
) -> None:
    full = "-c:v rawvideo -f matroska /dev/full"
    status = plain_status("-i", clip, full) or 1
    assert "No space left on device" in fails(capfd, "-y -i", clip, f"-vf {NEAREST}", full, status=status)


def test_a_file_that_may_not_grow_is_an_error_and_not_finished(clip: Path, out: Path) -> None:
    arguments = ["bash", "-c", 'ulimit -f 64; exec "$@"', "-"]
    command_line = command("-nostats -i", clip, f"-vf {NEAREST} -c:v rawvideo", out)
    done = subprocess.run(
        [*arguments, *command_line], env=surroundings(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not out.exists()


def test_a_disk_that_is_full_at_the_end_is_an_error_whatever_ffmpeg_ends_with(
    clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        "-c:v mpeg4 -b:v 9k -f matroska",
        "-c:v mpeg4 -f mpegts",
        "-c:v mpeg4 -f nut",
        "-v quiet -f rawvideo",
    ):
        assert ffadcvsr("-nostats -y -i", clip, f"-an -vf {NEAREST} {arguments} /dev/full") != 0
        stderr = capfd.readouterr().err
        assert "No space left on device" in stderr or "quiet" in arguments


def test_a_branch_of_tee_that_fails_is_an_error_unless_it_may(clip: Path, out: Path) -> None:
    arguments = f"-an -vf {NEAREST} -c:v mpeg4 -map 0:v -f tee"
    assert ffadcvsr("-nostats -v quiet -y -i", clip, arguments, f"{out}|[f=matroska]/dev/full") != 0
    assert ffadcvsr("-nostats -v quiet -y -i", clip, arguments, f"{out}|[f=matroska:onfail=ignore]/dev/full") == 0


def test_ffmpegs_last_words_on_a_truncated_source_come_through(
    clip: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = out.with_name("whole.mp4")
    ffmpeg("-i", clip, "-c:v libx264 -an", whole)
    whole.write_bytes(whole.read_bytes()[:2000])
    assert ffadcvsr("-nostats -i", whole, f"-vf {NEAREST}", out) != 0
    (line,) = capfd.readouterr().err.splitlines()
    assert "moov atom not found" in line


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-", ">&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_streams_change_nothing(closed: str, clip: Path, out: Path) -> None:
    arguments = ["bash", "-c", f'exec "$@" {closed}', "-", *command("-i", clip, f"-vf {NEAREST} -c:v ffv1", out)]
    assert subprocess.run(arguments, env=surroundings(), capture_output=True, timeout=60, check=False).returncode == 0
    assert len(decoded(out)) == 10


def test_a_closed_output_is_an_error(clip: Path) -> None:
    command_line = command("-i", clip, f"-vf {NEAREST} -c:v ffv1 -f nut -")
    wrapped = ["bash", "-c", 'exec "$@" >&-', "-", *command_line]
    done = subprocess.run(wrapped, env=surroundings(), stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr


def test_a_dry_run_prints_what_a_shell_reads(clip: Path, out: Path) -> None:
    odd = out.with_name(os.fsdecode(b"caf\xe9 'x' \n\\x41.mkv"))
    clip_copy = odd.with_name("in " + odd.name)
    clip_copy.write_bytes(clip.read_bytes())
    command_line = command("-adcvsr_dry_run -i", clip_copy, f"-vf {NEAREST}", odd)
    shown = subprocess.run(command_line, env=surroundings(), capture_output=True, timeout=60, check=True).stdout
    decoder, _, encoder = (line for line in shown.splitlines() if line)
    show = b"import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    for line, name in (
        (decoder, clip_copy),
        (encoder, clip_copy),
        (encoder, odd.with_name(f"{odd.stem}.adcvsr-part.mkv")),
    ):
        script = b"p() { " + os.fsencode(sys.executable) + b' -c "' + show + b'" "$@"; }; p ' + line
        read = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60, check=True).stdout
        assert os.fsencode(name) in read.split(b"\0")


def test_names_that_are_no_text_are_read_and_written(clip: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    odd = [out.with_name(os.fsdecode(b"caf\xe9 %d.mkv" % number)) for number in (1, 2)]
    odd[0].write_bytes(clip.read_bytes())
    assert ffadcvsr("-adcvsr_metadata -i", odd[0], f"-vf {NEAREST} -c:v ffv1", odd[1]) == 0
    assert len(list(out.parent.glob("*adcvsr-part*"))) == 0
    assert odd[1].stat().st_size > 1000
    assert ffadcvsr("-i", odd[0], f"-vf {NEAREST}", odd[1]) == 1
    assert "already exists" in capfd.readouterr().err
