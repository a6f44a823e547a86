"""Pages taken apart, and opened in a real browser, where there is one."""

from __future__ import annotations

import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

from tests.requirements import browser, requires

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000",
)  # fmt: skip


def dom(address: str, folder: Path, *flags: str) -> str:
    """The page of an address as it has drawn itself; skips the test where there is no browser."""
    requires("chromium")
    arguments = [str(browser()), *_FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", address]
    own = {**os.environ, "HOME": str(folder)}
    return subprocess.run(arguments, capture_output=True, timeout=100, check=True, env=own).stdout.decode()


def asks_nothing_of_the_world(text: str) -> bool:
    """Whether a page is whole in itself."""
    elements: list[dict[str, str | None]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            del tag
            elements.append(dict(attrs))

    Reader().feed(text)
    is_alone = not re.findall(r"https?://(?!www\.w3\.org/2000/svg)|@import", text)
    return is_alone and not [attributes for attributes in elements if {"src", "href"} & attributes.keys()]


def content(text: str) -> dict[str, object]:
    """What a page shows."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert match
    data: dict[str, object] = json.loads(match[1])
    return data
