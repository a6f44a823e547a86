"""Models are brought from their home whole or not at all; the home is a server on this machine."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vsadcvsr import cli
from vsadcvsr.errors import WeightsError
from vsadcvsr.weights import catalog, store
from vsadcvsr.weights.download import download

CONTENT = bytes(range(256)) * 20_000  # a few times what is read at once
SUM = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Home:
    """What the server has, and how it behaves."""

    url: str = ""
    content: bytes = CONTENT
    stops_after: int | None = None
    """Bytes of each answer, after which the line goes dead."""
    takes_ranges: bool = True
    asked: list[str | None] = field(default_factory=list)
    """The range of each request."""


@pytest.fixture
def home() -> Iterator[Home]:
    home = Home()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            range_header = self.headers.get("Range")
            home.asked.append(range_header)
            if self.path != "/models/big.onnx":
                self.send_error(404)
                return
            begin = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header and home.takes_ranges else 0
            if begin and begin >= len(home.content):
                self.send_error(416)
                return
            body = home.content[begin:]
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: home.stops_after])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        home.url = f"http://127.0.0.1:{server.server_port}/models"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield home
        server.shutdown()
        thread.join()


@pytest.fixture
def table(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue with one model that does not ship, and an empty cache."""
    monkeypatch.setenv("ADCVSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    table = tmp_path / "catalog.toml"
    table.write_text(
        f'[big]\nabout = "A test"\nlookahead = 4\nurl = "{home.url}/"\n[big.files]\n"big.onnx" = "{SUM}"\n'
        '[little]\nabout = "A test"\nlookahead = 4\n[little.files]\n"little.onnx" = "00"\n'
        '[own]\nabout = "A test"\nlookahead = 4\nbuiltin = true\n'
    )
    return table


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "big.onnx"


def test_a_model_is_found_once_it_has_been_fetched(table: Path, cached: Path) -> None:
    with pytest.raises(WeightsError, match=r"big\.onnx is missing .* run `adcvsr models fetch big`"):
        store.find("big", table=table)
    assert download("big", table=table) == [cached]
    assert store.find("big", table=table) == cached
    assert cached.read_bytes() == CONTENT


def test_a_model_that_is_there_is_not_fetched_again(table: Path, home: Home) -> None:
    download("big", table=table)
    download("big", table=table)
    assert len(home.asked) == 1


def test_a_file_that_has_changed_is_fetched_again(table: Path, cached: Path) -> None:
    download("big", table=table)
    cached.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"wrong checksum .* run `adcvsr models fetch big`"):
        store.find("big", table=table)
    download("big", table=table)
    assert cached.read_bytes() == CONTENT


def test_what_broke_off_is_taken_up_where_it_stopped(table: Path, home: Home, cached: Path) -> None:
    home.stops_after = 3_000_000
    with pytest.raises(WeightsError, match="stopped after 3,000,000 of 5,120,000 bytes; run the same command again"):
        download("big", table=table)
    assert not cached.exists()
    home.stops_after = None
    download("big", table=table)
    assert home.asked == [None, "bytes=3000000-"]
    assert cached.read_bytes() == CONTENT
    assert [path.name for path in cached.parent.iterdir()] == ["big.onnx"]


def test_a_server_that_knows_no_ranges_sends_all_of_it(table: Path, home: Home, cached: Path) -> None:
    cached.parent.mkdir()
    cached.with_name("big.onnx.part").write_bytes(CONTENT[:1000])
    home.takes_ranges = False
    download("big", table=table)
    assert cached.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"something else", CONTENT + b"more", CONTENT], ids=["other", "longer", "whole"])
def test_a_beginning_of_something_else_is_thrown_away(left: bytes, table: Path, cached: Path) -> None:
    cached.parent.mkdir()
    cached.with_name("big.onnx.part").write_bytes(left)
    download("big", table=table)
    assert cached.read_bytes() == CONTENT


def test_a_file_with_another_checksum_is_not_kept(table: Path, home: Home, cached: Path) -> None:
    home.content = b"an answer of a login page"
    with pytest.raises(WeightsError, match=r"/models/big\.onnx has the wrong checksum"):
        download("big", table=table)
    assert not list(cached.parent.iterdir())


def test_a_server_without_the_file_is_reported(table: Path, home: Home) -> None:
    table.write_text(table.read_text().replace("/models/", "/elsewhere/"))
    catalog.entries.cache_clear()
    with pytest.raises(WeightsError, match=r"/elsewhere/big\.onnx cannot be downloaded \(404 Not Found\)"):
        download("big", table=table)


def test_a_server_that_does_not_answer_is_reported(table: Path, home: Home) -> None:
    gone = table.with_name("gone.toml")
    gone.write_text(table.read_text().replace(home.url, "http://127.0.0.1:9"))
    with pytest.raises(WeightsError, match=r"cannot be downloaded .*refused"):
        download("big", table=gone)


def test_progress_ends_at_the_whole(table: Path) -> None:
    messages: list[tuple[str, int, int]] = []
    download("big", table=table, progress=lambda *now: messages.append(now))
    assert messages[-1] == ("big.onnx", len(CONTENT), len(CONTENT))
    assert len(messages) > 2


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("little", "no download address; its files came with vsadcvsr"),
        ("own", "no download address; it is built in"),
        ("bigg", "'bigg' is not known, .*did you mean 'big'"),
    ],
)
def test_models_that_have_no_home_are_refused(model: str, message: str, table: Path) -> None:
    with pytest.raises(WeightsError, match=message):
        download(model, table=table)


def test_the_command_says_that_nothing_is_to_be_fetched() -> None:
    result = CliRunner().invoke(cli.app, ["models", "fetch", "fast"])
    assert isinstance(result.exception, WeightsError)
    assert "no download address" in str(result.exception)


@pytest.mark.parametrize(
    ("platform", "setting", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, Path("/x/adcvsr")),
        ("linux", {"XDG_CACHE_HOME": ""}, Path("/home/me/.cache/adcvsr")),
        ("darwin", {}, Path("/home/me/Library/Caches/adcvsr")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/adcvsr/Cache")),
        ("linux", {"ADCVSR_CACHE": "/mine"}, Path("/mine")),
    ],
)
def test_the_cache_is_where_the_platform_has_such_things(
    platform: str, setting: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADCVSR_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert store.cache() == folder
