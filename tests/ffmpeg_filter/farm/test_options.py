"""What is asked for with `-farm`, and of which titles."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ffmpeg_filter.command.argv import FARM_OPTIONS, Command, parse
from ffmpeg_filter.farm.options import HELP, FarmOptions, check_option_names, parse_options, parse_titles
from ffmpeg_filter.farm.title import TitleRun
from vsadcvsr.errors import UsageError

pytestmark = pytest.mark.usefixtures("in_tmp_path")

PLAIN = "-i in.mp4 -vf adcvsr -c:v libx264 out.mkv"


def command(arguments: str) -> Command:
    return parse(arguments.split())


def films(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"a film")


def test_all_that_can_be_asked_for() -> None:
    arguments = (
        "-farm auto -farm_workers 3 -farm_gpus 0.5 -farm_cpus 2 -farm_chunk 7.5 -farm_folder jobs -farm_keep "
        f"-farm_report -farm_progress json {PLAIN}"
    )
    assert parse_options(command(arguments)) == FarmOptions(
        address="auto", folder=Path("jobs").resolve(), keep=True, report=True, workers=3, gpus=0.5, cpus=2,
        chunk_seconds=Fraction(15, 2), style="json",
    )  # fmt: skip


def test_omitted_options_have_defaults() -> None:
    assert parse_options(command(f"-farm local {PLAIN}")) == FarmOptions(address="local")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("-farm_workers 0", "-farm_workers is '0', allowed: 1 or more"),
        ("-farm_workers 1.5", "-farm_workers is '1.5'"),
        ("-farm_gpus 1.5", "-farm_gpus is '1.5', allowed: 0, a part of 1, or whole GPUs"),
        ("-farm_gpus -1", "-farm_gpus is '-1'"),
        ("-farm_cpus nan", "-farm_cpus is 'nan', allowed: more than 0 cores"),
        ("-farm_chunk soon", "-farm_chunk is 'soon', allowed: more than 0 seconds"),
        ("-farm_progress rihc", "did you mean 'rich'?"),
        ("-farm_worker 3", "did you mean '-farm_workers'"),
    ],
)
def test_wrong_farm_options_are_named_in_the_error(arguments: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint.replace("?", r"\?")):
        parse_options(command(f"-farm local {arguments} {PLAIN}"))


@pytest.mark.parametrize("output", ["-f matroska -", "-f nut pipe:1", "-f matroska /dev/stdout"])
def test_progress_for_programs_and_the_video_do_not_share_standard_output(output: str) -> None:
    arguments = f"-farm local -farm_folder jobs -i in.mp4 -vf adcvsr -c:v libx264 {output} -farm_progress"
    with pytest.raises(UsageError, match=r"-farm_progress json .* as output '.*' does; give a"):
        parse_options(command(f"{arguments} json"))
    assert parse_options(command(f"{arguments} plain")).style == "plain"


def test_progress_for_programs_goes_beside_an_output_that_writes_nothing() -> None:
    assert parse_options(command("-farm local -farm_progress json -i in.mp4 -vf adcvsr -f null -")).style == "json"


def test_options_of_a_farm_want_a_farm() -> None:
    with pytest.raises(UsageError, match="-farm_workers needs -farm ADDRESS, such as -farm local"):
        check_option_names(command(f"-farm_workers 3 {PLAIN}"))
    with pytest.raises(UsageError, match=r"-adcvsr_dryrun is no option of ffadcvsr; .*did you mean '-adcvsr_dry_run'"):
        check_option_names(command(f"-adcvsr_dryrun {PLAIN}"))
    check_option_names(command(f"-farm_intermediate ffv1 {PLAIN}"))  # the plan of a job has it


def test_the_help_has_every_option() -> None:
    assert all(f"-{name} " in HELP for name in FARM_OPTIONS)


def test_the_command_of_a_title_is_that_of_one_machine() -> None:
    (title,) = parse_titles(command(f"-y -farm local -farm_keep -farm_intermediate ffv1 {PLAIN}"))
    assert (" ".join(title.args), title.output) == (f"-farm_intermediate ffv1 {PLAIN}", "out.mkv")
    assert title.overwrite
    assert not title.is_in_batch


@pytest.mark.parametrize("source", ["in", "in/*.mp4", "@list.txt"])
def test_a_batch_is_a_folder_a_pattern_or_a_list(source: str) -> None:
    films("in/b.mp4", "in/a.mp4")
    films("in/.hidden") if source == "in" else films("in/notes.txt")
    Path("list.txt").write_text("# tonight\nin/a.mp4\n\nin/b.mp4\n")
    titles = parse_titles(command(f"-farm local -ss 1 -i {source} -i logo.png -vf adcvsr out/{{name}}.mkv"))
    assert [" ".join(title.args) for title in titles] == [
        "-ss 1 -i in/a.mp4 -i logo.png -vf adcvsr out/a.mkv",
        "-ss 1 -i in/b.mp4 -i logo.png -vf adcvsr out/b.mkv",
    ]
    assert [title.output for title in titles] == ["out/a.mkv", "out/b.mkv"]


def test_an_output_may_be_named_as_a_file() -> None:
    films("in/a.mp4", "out/a.mkv")
    (title,) = parse_titles(command("-farm local -i in -vf adcvsr file:out/{name}.mkv"))
    assert title.path == Path("out/a.mkv")
    assert TitleRun(title, FarmOptions(address="local")).is_done


def test_a_batch_of_one_is_a_batch() -> None:
    films("in/a.mp4")
    (title,) = parse_titles(command("-farm local -i in -vf adcvsr {name}.mkv"))
    assert title.is_in_batch


def test_names_in_a_list_are_from_where_it_is() -> None:
    films("in/a.mp4")
    Path("in/list.txt").write_text("a.mp4\n")
    assert parse_titles(command("-farm local -i @in/list.txt -vf adcvsr {name}.mkv"))[0].args[1] == "in/a.mp4"


@pytest.mark.parametrize("source", ["nothing/*.mp4", "@nothing.txt", "empty"])
def test_a_batch_of_nothing_is_a_mistake(source: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=r"give a (file|text file)"):
        parse_titles(command(f"-farm local -i {source} -vf adcvsr {{name}}.mkv"))


def test_two_titles_with_one_output_are_refused() -> None:
    films("in/a.mp4", "in/a.mov")
    with pytest.raises(UsageError, match=r"output 'a\.mkv' has several inputs"):
        parse_titles(command("-farm local -i in -vf adcvsr {name}.mkv"))
