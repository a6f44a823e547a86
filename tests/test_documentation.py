"""The pages as a whole: links, names of files and modules, commands that exist, and the site that is made of them."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest

from tests.pages import ALL, PAGES, README, ROOT, console_lines, lines_with, shell_lines
from tests.requirements import requires
from vsadcvsr.cli import app
from vsadcvsr.evaluate.metrics.registry import CHOICES, COLUMNS

GUIDES = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in ("examples/farm/README.md", "examples/media/README.md")
}
OUTPUTS = {"vsadcvsr/plugin", "demo/before_after.jpg"}
TESTED_ELSEWHERE = re.compile(
    "(ffadcvsr|ffmpeg .*ffadcvsr|vspipe|adcvsr (bench|compare|convert|doctor|evaluate|train) ?|python -m )"
)
"""test_readme*.py run these, tests/packaging `adcvsr doctor`; of modules, at least the options are looked up below."""


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", [*PAGES, *GUIDES])
def test_every_link_leads_somewhere(name: str) -> None:
    text = {**PAGES, **GUIDES}[name]
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_is_named_is_there(name: str) -> None:
    named = set(re.findall(r"`((?:vsadcvsr|ffmpeg_filter|examples|tests|docs)/[\w./-]*)`", PAGES[name]))
    assert [path for path in sorted(named - OUTPUTS) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", [name for name in PAGES if name != "docs/renames.md"])
def test_every_module_that_is_named_is_there(name: str) -> None:
    for dotted in set(re.findall(r"\b((?:vsadcvsr|ffmpeg_filter)(?:\.[a-z_]\w*)+)", PAGES[name])):
        module, _, attribute = dotted.rpartition(".")
        path = ROOT.joinpath(*dotted.split("."))
        is_module = path.is_dir() or path.with_suffix(".py").exists()
        assert is_module or hasattr(import_module(module), attribute), dotted


@pytest.mark.parametrize("line", [line for line in shell_lines() if not TESTED_ELSEWHERE.match(line)])
def test_every_other_command_is_understood(line: str) -> None:
    arguments = [word for word in shlex.split(line) if "=" not in word]
    if arguments[0] == "make":
        assert re.search(rf"^{arguments[1]}:|^{arguments[1]} ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert arguments[:2] == ["pip", "install"]
        assert set(re.findall(r"\[(.*)\]", line)) <= set(extras())


def main_of(arguments: list[str]) -> Callable[[list[str]], int]:
    """The function behind a command."""
    if arguments[:2] == ["python", "-m"]:
        path = ROOT.joinpath(*arguments[2].split("."))
        name = f"{arguments[2]}.__main__" if path.is_dir() else arguments[2]
    elif arguments[:2] == ["adcvsr", "models"]:
        return lambda _: int(app([*arguments[1:3], "--help"], standalone_mode=False) or 0)
    else:
        names = {"adcvsr": f"vsadcvsr.{arguments[1]}.__main__", "ffadcvsr": "ffmpeg_filter.cli"}
        name = names[arguments[0]]
    main: Callable[[list[str]], int] = import_module(name).main
    return main


MODULES = [words for words in lines_with("python -m") if words[:3] not in [shown[:3] for shown in console_lines()]]


@pytest.mark.parametrize("arguments", [*console_lines(), *MODULES], ids=" ".join)
def test_options_that_are_shown_exist(arguments: list[str]) -> None:
    if arguments[:2] in (["pip", "install"], ["adcvsr", "train"]):
        return  # as in shell blocks
    help_text = io.StringIO()
    with redirect_stdout(help_text), suppress(SystemExit):
        main_of(arguments)(["-h"])
    known = set(re.findall(r"--?[a-z][\w-]+", help_text.getvalue()))
    assert {word for word in arguments if re.match("--|-farm", word)} <= known


def extras() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups: dict[str, list[str]] = project["optional-dependencies"]
    return groups


def test_the_table_of_extras_is_whole() -> None:
    table = README.partition("| extra |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert set(named) == set(extras()) - {"dev", "openvino"}


def test_the_tables_of_layers_are_those_of_the_contracts() -> None:
    checks = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    tables = re.findall(r"^\| layer \|.*?\n\n", PAGES["docs/design.md"], re.MULTILINE | re.DOTALL)
    orders = [check["layers"] for check in checks if check["type"] == "layers" and "containers" not in check]
    assert len(tables) == len(orders)
    for table, order in zip(tables, orders, strict=True):
        depth = {name: index for index, layer in enumerate(order) for name in re.findall(r"[\w.]+", layer)}
        cells = [row.split("|")[2] for row in table.strip().splitlines()[2:]]
        rows = [{depth[name] for name in re.findall(r"`([\w.]+)`", cell)} for cell in cells]
        assert all(len(row) == 1 for row in rows)
        assert [min(row) for row in rows] == sorted({min(row) for row in rows})


def test_files_that_a_package_is_said_to_have_are_there() -> None:
    table = PAGES["docs/design.md"].partition("| package | in it |")[2].partition("\n\n")[0]
    for row in table.splitlines()[2:]:
        package, *names = re.findall(r"`([\w./]+)`", row)
        for name in (name for name in names if name.endswith((".py", "/"))):
            assert ROOT.joinpath(*package.split("."), name).exists(), (package, name)


def test_files_that_pages_name_are_there() -> None:
    for page, text in PAGES.items():
        if page != "docs/renames.md":
            for name in re.findall(r"`((?:vsadcvsr|ffmpeg_filter|examples|tests)/[\w./-]+)`", text):
                assert (ROOT / name).exists(), (page, name)


def test_modules_of_the_page_of_names_are_there() -> None:
    _, _, tables = PAGES["docs/renames.md"].partition("## Modules")
    names = set(re.findall(r"`((?:vsadcvsr|ffmpeg_filter)\.[\w.]+)`", tables))
    assert len(names) > 100
    for path in (ROOT.joinpath(*name.split(".")) for name in names):
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), path


def test_the_table_of_metrics_is_whole() -> None:
    table = PAGES["docs/evaluation.md"].partition("| name | what it is | in |")[2].partition("\n\n")[0]
    rows = [row.strip("|").split("|") for row in table.splitlines()[2:]]
    result = {name: set(re.findall(r"`(\w+)`", row[2])) for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    expected = {name: {choice for choice, names in CHOICES.items() if name in names} - {"all"} for name in COLUMNS}
    assert result == expected


def test_every_word_of_the_glossary_is_in_order() -> None:
    words = re.findall(r"^(.+)\n: {3}", PAGES["docs/glossary.md"], re.MULTILINE)
    assert len(words) > 25
    assert words == sorted(words, key=str.lower)


class Site(HTMLParser):
    """What a page of the site loads when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"script", "img", "iframe", "source"} and values.get("src"):
            self.loaded.append(str(values["src"]))
        if tag == "link" and values.get("rel") not in {"canonical", "next", "prev"}:
            self.loaded.append(str(values.get("href")))


def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    requires("mkdocs")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", ROOT / "docs/site/mkdocs.yml", "-d", site],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = {Path(name).stem for name in PAGES if name.startswith("docs/")}
    assert {path.stem for path in site.glob("*.html")} == {*pages, "404", "index", "contributing", "changelog"}
    for path in site.glob("*.html"):
        page = Site()
        page.feed(path.read_text(encoding="utf-8"))
        assert page.loaded
        assert [address for address in page.loaded if re.match("(https?:)?//", address)] == []
    assert "mermaid" not in ALL  # the theme would load its script from elsewhere
