"""HTML pages that need nothing else: a template, and in it what it shows, pictures too."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from pathlib import Path

from vsadcvsr.errors import MediaError
from vsadcvsr.files import replacing


def filled(template: str, title: str, data: Mapping[str, object]) -> bytes:
    """A page of a template, with the title in place of `@TITLE@` and the data, as JSON, in that of `@DATA@`."""
    before, after = template.replace("@TITLE@", html.escape(title)).split("@DATA@")
    page = before + json.dumps(data).replace("</", "<\\/") + after
    return page.encode(errors="replace")  # the title may be a name that is no text


def embedded(kind: str, content: bytes) -> str:
    """A picture as an address that holds it; `kind` is "webp" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def write(path: Path, page: bytes) -> None:
    """Writes a page that is there in full or not at all. Raises MediaError."""
    try:
        with replacing(path) as unfinished:
            unfinished.write_bytes(page)
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror}") from error
