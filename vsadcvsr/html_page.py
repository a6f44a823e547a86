"""Self-contained HTML pages: a template filled with data and images."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from pathlib import Path

from vsadcvsr.errors import MediaError
from vsadcvsr.files import replacing

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
* { box-sizing: border-box; }
[hidden] { display: none !important; }
h1 { font-size: 16px; margin: 0 0 8px; font-weight: 600; overflow-wrap: anywhere; }
ul { color: var(--dim); padding-left: 18px; }
button[aria-pressed="true"] { border-color: var(--mark); color: var(--mark); }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 1px; }
</style>
"""
"""The beginning of every page; a template continues it, with the colors `--dim` and `--mark` in its style."""


def render(template: str, title: str, data: Mapping[str, object]) -> bytes:
    """A page of a template, with the title in place of `@TITLE@` and the data, as JSON, in that of `@DATA@`."""
    before, after = (_HEAD + template).replace("@TITLE@", html.escape(title)).split("@DATA@")
    page = before + json.dumps(data).replace("</", "<\\/") + after
    return page.encode(errors="replace")  # the title may be a name that is no text


def data_uri(kind: str, content: bytes) -> str:
    """An image as an address that holds it; `kind` is "webp" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def write(path: Path, page: bytes) -> None:
    """Writes a page atomically. Raises MediaError."""
    try:
        with replacing(path) as unfinished:
            unfinished.write_bytes(page)
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror}") from error
