"""The page on networks: what it says of the paper's network is true, as far as that shows without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.pages import PAGES, lines_with
from tests.weights.official_files import SMALL, save_decoder, save_net
from vsadcvsr import cli
from vsadcvsr.bench.paper import __main__
from vsadcvsr.engine import Engine
from vsadcvsr.nets.paper.config import PAPER

PAGE = PAGES["docs/networks.md"]
TEXT = " ".join(PAGE.split())


def test_the_official_files_convert_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (words,) = lines_with("adcvsr convert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsadcvsr.weights.convert._named", lambda: (SMALL,))
    save_net(Path(words[2]))
    save_decoder(Path(words[3]))
    result = CliRunner().invoke(cli.app, words[1:])
    assert result.exit_code == 0, result.output
    model = f'model="{words[-1]}"'
    assert model in PAGE
    assert Engine.open(words[-1], device="cpu").spec.name == SMALL.name


def test_the_bench_runs_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    (words,) = lines_with("python -m vsadcvsr.bench.paper")
    assert __main__.main(words[3:]) == 0
    assert "by calculation" in capsys.readouterr().out


def test_the_table_of_memory_is_what_is_planned() -> None:
    rows = {row.split("|")[1].strip(): row for row in PAGE.splitlines() if row.startswith("|")}
    for name, plan in __main__.memory_plans().items():
        assert plan in rows[name.split()[0]]


def test_its_lookahead_is_that_of_the_page() -> None:
    assert f"{PAPER.spec.lookahead} frames of lookahead ({PAPER.spec.lookahead + 1} on a GPU" in TEXT
