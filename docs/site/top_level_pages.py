"""Hook of MkDocs: README.md, CONTRIBUTING.md and CHANGELOG.md as pages of the site, with links rewritten to match."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The files of docs/, and those of the top level."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with links as they are on the site: everything in one folder, without docs/ and ../."""
    del page, config, files
    return re.sub(r"\]\((?:\.\./|docs/)([\w/.-]+)|\]\(([A-Z]+\.md)", _relinked, markdown)


def _relinked(link: re.Match[str]) -> str:
    target = link[1] or link[2]
    return f"]({PAGES.get(target, target)}"
