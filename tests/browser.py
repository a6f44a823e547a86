"""Pages taken apart, and opened in a real browser, where there is one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000",
)  # fmt: skip


def dom(address: str, folder: Path, *flags: str) -> str:
    """The page of an address as it has drawn itself; skips the test where there is no browser."""
    chromium = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if chromium is None:
        if "chromium" in os.environ.get("ADCVSR_REQUIRE", ""):
            pytest.fail("chromium is required and not there")
        pytest.skip("no chromium on PATH")
    words = [chromium, *_FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", address]
    return subprocess.run(words, capture_output=True, timeout=100, check=True).stdout.decode()


def asks_nothing_of_the_world(text: str) -> bool:
    """Whether a page is whole in itself."""
    held: list[dict[str, str | None]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            del tag
            held.append(dict(attrs))

    Reader().feed(text)
    is_alone = not re.findall(r"https?://(?!www\.w3\.org/2000/svg)|@import", text)
    return is_alone and not [given for given in held if {"src", "href"} & given.keys()]


def content(text: str) -> dict[str, object]:
    """What a page shows."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    held: dict[str, object] = json.loads(found[1])
    return held
