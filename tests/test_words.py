"""Words that the code no longer uses: metaphors and fillers stay out of names, messages and pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT

PACKAGES = ("vsadcvsr", "ffmpeg_filter")
METAPHORS = {
    "desk", "desks", "door", "doors", "entrance", "entrances", "errand", "errands", "guest", "guests", "house",
    "kitchen", "lesson", "lessons", "likeness", "patron", "pupil", "pupils", "screening", "teller", "telling", "worn",
}  # fmt: skip
"""Nowhere: the field's words are filter, frame callback, job context, background task, sample, driver, check, queue."""
FILLERS = {
    "course", "film", "films", "given", "helper", "helpers", "judge", "judged", "judges", "lit", "made", "manager",
    "manner", "mine", "patience", "rival", "rivals", "settle", "stuff", "tally", "told", "util", "utils", "wanted",
    "yardstick",
}  # fmt: skip
"""Not as names, where they say nothing of what the thing is."""
_HISTORY = {"docs/renames.md", "CHANGELOG.md"}
"""Pages that list old names."""


def words(text: str) -> set[str]:
    """The words of a name or a text, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names that a module defines, with their lines: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The strings of a module, docstrings among them, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_words_of_the_field(package: str) -> None:
    unwanted = METAPHORS | FILLERS
    faults = [str(path.relative_to(ROOT)) for path in modules() if words(path.stem) & unwanted]
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = path.relative_to(ROOT)
        if place.parts[0] == package:
            faults += [f"{place}:{line} {name}" for line, name in names(tree) if words(name) & unwanted]
    assert faults == []


def test_messages_and_docstrings_have_no_metaphors_of_old() -> None:
    faults = []
    for path in modules():
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            if unwanted := words(text) & METAPHORS:
                faults.append(f"{path.relative_to(ROOT)}:{line} {', '.join(sorted(unwanted))}")
    assert faults == []


@pytest.mark.parametrize("name", [name for name in PAGES if name not in _HISTORY])
def test_pages_have_no_metaphors_of_old(name: str) -> None:
    assert words(PAGES[name]) & METAPHORS == set()


def test_words_are_found_in_names_of_every_form() -> None:
    assert words("_FILM_OPTIONS kitchenDoor TheDesk") == {"film", "options", "kitchen", "door", "the", "desk"}
    tree = ast.parse("class Door:\n    def f(self, told): self.film = told\n")
    assert {name for _, name in names(tree)} == {"Door", "f", "self", "told", "film"}
