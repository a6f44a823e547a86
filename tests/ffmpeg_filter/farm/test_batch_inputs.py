"""Which files a batch is made of, whatever they are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.farm.batch_inputs import files_of
from ffmpeg_filter.farm.options import parse_titles
from tests.ffmpeg_filter.files import PICTURES, SOUND, ffmpeg, words_of
from tests.requirements import absent
from vsadcvsr.errors import UsageError

pytestmark = pytest.mark.usefixtures("in_tmp_path")

SHOW = "[Grp] Show - 01.mkv"


def files(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"a film")


@pytest.mark.parametrize("url", [SHOW, f"file:{SHOW}", "[Grp] Show - *.mkv", "[Grp]*.mkv", f"./{SHOW}"])
def test_brackets_in_names_are_no_pattern(url: str) -> None:
    files(SHOW, "G other.mkv") if "*.mkv" not in url else files(SHOW)
    assert [Path(path).name for path in files_of(url)] == [SHOW]


@pytest.mark.parametrize(
    "name", ["what?.mkv", "star*.mkv", "a[1].mkv", "@home.mkv", "#1 show.mkv", " two  spaces .mkv"]
)
def test_a_file_that_is_there_stands_for_itself(name: str) -> None:
    files(name, "whatx.mkv", "starring.mkv", "a1.mkv")
    assert files_of(name) == [name]


def test_a_folder_may_have_brackets_in_its_name() -> None:
    files("[Grp] Show/[Grp] 01.mkv")
    assert (
        files_of("[Grp] Show")
        == files_of("[Grp] Show/*.mkv")
        == files_of("[Grp] */*.mkv")
        == ["[Grp] Show/[Grp] 01.mkv"]
    )


def test_videos_of_a_folder_are_taken_and_the_rest_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    files("in/b.MKV", "in/a.mkv", "in/a.srt", "in/cover.jpg", "in/show.nfo", "in/.hidden.mkv", "in/extras/c.mkv")
    Path("in/gone.mkv").symlink_to("nowhere.mkv")
    assert files_of("in") == ["in/a.mkv", "in/b.MKV"]
    assert caplog.messages == ["in: skipped, since they are no videos: a.srt, cover.jpg, extras, gone.mkv, show.nfo"]


def test_a_video_of_any_name_is_one_and_a_song_with_a_cover_is_none() -> None:
    Path("in").mkdir()
    ffmpeg(PICTURES, "-c:v ffv1 -f matroska in/film.dat")
    ffmpeg(SOUND, PICTURES, "-c:v mjpeg -frames:v 1 -disposition:v attached_pic in/song.mka")
    assert files_of("in") == ["in/film.dat"]


def test_a_folder_of_pictures_is_a_batch_of_pictures() -> None:
    files("in/b.png", "in/a.jpg", "in/notes.txt")
    assert files_of("in") == ["in/a.jpg", "in/b.png"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lists_of_any_editor_are_read(mark: bytes, end: bytes) -> None:
    names = ["first.mkv", "#1 show.mkv", SHOW, "tail .mkv ", "Ünï.mkv", "a\u2028b.mkv"]
    files(*names)
    lines = [names[0].encode(), b"# tonight", b"", b"#1 show.mkv", f"  {SHOW}  ".encode(), b"tail .mkv "]
    lines += ['"Ünï.mkv"'.encode(), "a\u2028b.mkv".encode()]
    Path("list.txt").write_bytes(mark + end.join(lines))
    assert files_of("@list.txt") == names


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_a_list_need_not_be_utf_8(encoding: str) -> None:
    files("caf\u00e9.mkv")
    Path("list.txt").write_bytes("caf\u00e9.mkv\r\n".encode(encoding))
    assert files_of("@list.txt") == ["caf\u00e9.mkv"]


def test_a_name_that_is_no_utf_8_is_found_by_pattern_folder_and_list() -> None:
    name = os.fsdecode(b"caf\xe9.mkv")
    try:
        files(f"in/{name}")
    except OSError:
        absent("names that are not UTF-8")
    Path("in/list.txt").write_bytes(b"caf\xe9.mkv\n")
    assert files_of("in") == files_of("in/*.mkv") == files_of("@in/list.txt") == [f"in/{name}"]


def test_names_in_a_list_are_from_where_it_is() -> None:
    files("in/a.mkv", "b.mkv")
    Path("in/list.txt").write_text(f"a.mkv\n../b.mkv\n{Path('b.mkv').resolve()}\nfile:a.mkv\n")
    assert files_of("@in/list.txt") == ["in/a.mkv", str(Path("b.mkv").resolve())]


def test_a_line_without_its_file_is_reported_at_once() -> None:
    files("a.mkv")
    Path("list.txt").write_text("a.mkv\n\nb.mkv\n")
    with pytest.raises(UsageError, match=r"line 3 of list\.txt: no file 'b\.mkv'"):
        files_of("@list.txt")


def test_a_file_that_is_listed_twice_is_one_title() -> None:
    files("a.mkv", "b.mkv")
    Path("list.txt").write_text("a.mkv\nb.mkv\n./a.mkv\n")
    assert len(files_of("@list.txt")) == 2


@pytest.mark.parametrize("url", ["nothing*", "nothing", "@nothing", "empty"])
def test_an_input_without_videos_is_refused(url: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(UsageError):
        files_of(url)


def test_names_are_no_protocols_and_no_options() -> None:
    files("-x.mkv", "12:30 show.mkv")
    titles = parse_titles(parse(words_of(["-farm local -i *.mkv -vf adcvsr -c:a copy {name}.mp4"])))
    assert [(title.args[1], title.output) for title in titles] == [
        ("file:-x.mkv", "file:-x.mp4"), ("file:12:30 show.mkv", "file:12:30 show.mp4"),
    ]  # fmt: skip


def test_other_inputs_may_have_the_title_in_their_name() -> None:
    files("in/a.mkv", "in/b.mkv")
    titles = parse_titles(parse(words_of(["-farm local -i in/*.mkv -i subs/{name}.srt -vf adcvsr out/{name}.mkv"])))
    assert [title.args[3] for title in titles] == ["subs/a.srt", "subs/b.srt"]
