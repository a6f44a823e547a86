"""A graph in a file is found, and of several filters of one stream the last counts, as with FFmpeg."""

from __future__ import annotations

import os
import shlex
import threading
from pathlib import Path

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.command.filter_scripts import inline_scripts
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.transcode.split import split_command
from tests.ffmpeg_filter.files import NEAREST, decoded, ffadcvsr
from tests.ffmpeg_filter.planning import FILM, encoder, planned

TWO = InputInfo((*FILM.streams[:1], InputStream(index=1, kind="video")))


@pytest.mark.parametrize(
    "word",
    ["-/filter:v", "-/vf", "-/filter", "-/filter:v:0", "-filter_script:v", "-filter_script", "-/filter_complex",
     "-/lavfi", "-filter_complex_script"],
)  # fmt: skip
def test_a_graph_in_a_file_is_found(word: str, tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text("scale=9:9,\nadcvsr\n")
    command = inline_scripts(parse(["-i", "in.mkv", word, str(tmp_path / "graph.txt"), "out.mkv"]))
    split = split_command(command, [FILM])
    assert split is not None
    assert any("scale=9:9" in item for item in split.decoder_args)


def test_a_graph_that_can_be_read_once_is_read_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writing = threading.Thread(target=fifo.write_text, args=["adcvsr"])
    writing.start()
    assert "adcvsr" in inline_scripts(parse(["-i", "in.mkv", "-/vf", str(fifo), "out.mkv"])).args()
    writing.join()


def test_a_graph_without_adcvsr_stays_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text("hflip")
    for words in (["-/vf", str(tmp_path / "graph.txt")], ["-/filter_complex", "nowhere.txt"], ["-/metadata", "x"]):
        command = parse(["-i", "in.mkv", *words, "out.mkv"])
        assert inline_scripts(command) == command


@pytest.mark.parametrize(
    "arguments",
    [
        "-vf scale=2:2 -vf adcvsr", "-filter:v:0 scale=2:2 -vf adcvsr", "-filter scale=2:2 -filter:v adcvsr",
        "-vf adcvsr=scale=3 -vf adcvsr", "-filter:v:0 adcvsr=scale=3 -filter:v:0 adcvsr",
    ],
)  # fmt: skip
def test_the_last_filter_of_a_stream_counts(arguments: str) -> None:
    split = planned(f"-i in.mkv {arguments} out.mkv", FILM)
    assert split.filter_options.scale is None
    assert "scale=2:2" not in " ".join(split.decoder_args)
    assert encoder(f"-i in.mkv {arguments} out.mkv").count("filter") == 1


@pytest.mark.parametrize(
    "arguments", ["-vf adcvsr -vf scale=2:2", "-filter:v:0 adcvsr -vf hflip", "-vf adcvsr -filter:v:0 null"]
)
def test_an_adcvsr_that_is_overridden_is_not_run(arguments: str) -> None:
    assert split_command(parse(shlex.split(f"-i in.mkv {arguments} out.mkv")), [FILM]) is None


def test_a_filter_of_all_streams_stays_for_the_others() -> None:
    arguments = encoder("-i in.mkv -map 0 -vf hflip -filter:v:0 adcvsr out.mkv", TWO)
    assert arguments.endswith("-filter:v hflip -filter:v:0 null out.adcvsr-part.mkv".replace("-filter:v ", "-vf "))
    assert planned("-i in.mkv -map 0 -filter:v:0 adcvsr -filter:v:1 hflip out.mkv", TWO).filter_options.scale is None


def test_the_last_filter_makes_the_pictures(clip: Path, out: Path) -> None:
    (out.parent / "graph.txt").write_text(NEAREST)
    arguments = f"-vf scale=iw/2:-1 -/vf {out.parent / 'graph.txt'} -c:v ffv1"
    assert ffadcvsr("-nostats -i", clip, arguments, out) == 0
    assert (decoded(out)[0].width, len(decoded(out))) == (128, 10)
