"""Ray: a cluster that is joined, or one of this machine alone, for as long as it is needed."""

from __future__ import annotations

import io
import logging
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from vsadcvsr.errors import FarmError, UsageError, near_misses, one_line
from vsadcvsr.extras import needs

_log = logging.getLogger(__name__)

_ALWAYS = {"RAY_USAGE_STATS_ENABLED": "0"}
_QUIET = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_prestart_worker_first_driver": "0", "RAY_AUTH_MODE": "token"}
"""For a cluster of one machine: Ray then binds all of its ports to 127.0.0.1, which no argument makes it do."""
_STORE = 80 << 20
"""Bytes for what Ray passes from process to process; here these are a few words."""
_PATIENCE = 5.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of gRPC, which Ray speaks, begins; the answer begins with a frame of type 4."""
_LONGEST = 40
"""Characters in the name of a folder below which Ray can name its sockets."""
_ADDRESS = re.compile(r"(ray://)?(?P<where>(\[[^]]+\]|[^:/\s]+):\d+)")


class _Log(io.TextIOBase):
    """For what Ray prints of the troubles of nodes, which is nobody's output: they are seen by what comes of them."""

    def write(self, text: str) -> int:
        if text.strip():
            _log.debug("%s", text.rstrip())
        return len(text)


class Node(NamedTuple):
    """A machine of a cluster, and all that it has, used or not."""

    key: str
    name: str
    cpus: float
    gpus: float


class Cluster:
    """A cluster that is joined; `ray` is the module."""

    def __init__(self, ray: ModuleType) -> None:
        self.ray = ray

    def nodes(self) -> list[Node]:
        """Those that are alive."""
        return [
            Node(
                one["NodeID"], one["NodeManagerHostname"], *(one["Resources"].get(kind, 0.0) for kind in ("CPU", "GPU"))
            )
            for one in self.ray.nodes()
            if one["Alive"]
        ]


@contextmanager
def joined(address: str) -> Iterator[Cluster]:
    """The cluster of an address: `local` is started now and ends with us, `auto` is what runs here or RAY_ADDRESS
    names, `host:port` what this machine is a node of, and `ray://host:port` any other.

    Raises UsageError for what is no address, BackendError without Ray, FarmError where nothing answers.
    """
    check(address)
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    _check_reachable(address)
    with (
        _surroundings(address == "local"),
        redirect_stdout(_Log()),
        tempfile.TemporaryDirectory(prefix="adcvsr-", dir=_short(), ignore_cleanup_errors=True) as folder,
    ):
        ray = _module()
        try:
            _init(ray, address, folder)
            yield Cluster(ray)
        finally:
            ray.shutdown()


def check(address: str) -> None:
    """Raises UsageError for what is no address."""
    if address not in {"local", "auto"} and not _ADDRESS.fullmatch(address):
        hint = near_misses(address, ("local", "auto"))
        raise UsageError.of("-farm", address, "local, auto, ray://host:port, or host:port on a node of it", hint)


def _init(ray: ModuleType, address: str, folder: str) -> None:
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    try:
        if address == "local":
            ray.init("local", include_dashboard=False, object_store_memory=_STORE, _temp_dir=folder, **quiet)
        else:
            _check_reachable(_found(address))
            ray.init(address, **quiet)
    except FarmError:
        raise
    except (Exception, SystemExit) as error:  # Ray raises whatever its parts raise, and exits where one waits in vain
        words = one_line(error, 400)
        raise FarmError(f"Ray at {address} cannot be joined: {words or type(error).__name__}") from error
    if address == "local" and (outside := [one for one in ray.nodes() if one["NodeManagerAddress"] != "127.0.0.1"]):
        raise FarmError(
            f"Ray listens at {outside[0]['NodeManagerAddress']} instead of 127.0.0.1; was it loaded before?"
        )


def _found(address: str) -> str:
    """The address that Ray makes of one: it looks for `auto`, and takes 127.0.0.1 for this machine's in its network."""
    if address.startswith("ray://"):
        return address
    find = getattr(import_module("ray._private.services"), "canonicalize_bootstrap_address", lambda one: one)
    try:
        return str(find(address))
    except ConnectionError as error:
        raise FarmError("no Ray runs on this machine, and RAY_ADDRESS names none; -farm local starts one") from error


def _module() -> ModuleType:
    with needs("farm", "-farm"):
        import ray
    module: ModuleType = ray
    return module


def _check_reachable(address: str) -> None:
    """Raises FarmError where nothing that could be Ray answers: Ray itself would wait for minutes."""
    found = _ADDRESS.fullmatch(address)
    if found is None or os.environ.get("RAY_USE_TLS", "0") == "1":
        return
    where = found["where"]
    host, _, port = where.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE) as connection:
            connection.settimeout(_PATIENCE)
            connection.sendall(_PREFACE)
            answer = connection.recv(9)
    except (OSError, OverflowError) as error:
        raise FarmError(f"no Ray answers at {where}: {error}; is it the head's address, and is it running?") from error
    if answer[3:4] != b"\x04":
        raise FarmError(f"what answers at {where} is not Ray; ray://host:10001 or, on a node, host:6379 are usual")


@contextmanager
def _surroundings(alone: bool) -> Iterator[None]:
    """The environment in which Ray is loaded, which it reads then."""
    told: dict[str, str] = {**{name: value for name, value in _QUIET.items() if name not in os.environ}, **_ALWAYS}
    if alone:
        told |= {**_ALONE, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        _restore(before)


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _short() -> str | None:
    """A folder for folders whose names are short enough; None for the usual one."""
    return None if len(tempfile.gettempdir()) < _LONGEST or not Path("/tmp").is_dir() else "/tmp"
