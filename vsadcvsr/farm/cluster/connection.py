"""Connection to a Ray cluster, or a cluster of this machine alone while the connection lasts."""

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

_NO_USAGE_STATS = {"RAY_USAGE_STATS_ENABLED": "0"}
_QUIET = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
_WORKER_NICENESS = {"RAY_worker_niceness": "0"}
"""Priority of the workers of a cluster of one machine: ours. With Ray's default of 15 other processes starve them."""
_LOCAL_ONLY = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_AUTH_MODE": "token",
}
"""For a cluster of one machine: makes Ray bind all of its ports to 127.0.0.1, for which it has no argument."""
_OBJECT_STORE_BYTES = 80 << 20
"""Bytes for Ray's object store; messages here are tiny."""
_CONNECT_TIMEOUT = 5.0
_GRPC_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""First bytes of a gRPC client, which Ray speaks; the answer begins with a frame of type 4."""
_MAX_TEMP_FOLDER = 40
"""Longest name of a temporary folder below which Ray can name its sockets."""
_ADDRESS = re.compile(r"(ray://)?(?P<where>(\[[^]]+\]|[^:/\s]+):\d+)")


class _DebugLog(io.TextIOBase):
    """Redirects what Ray prints about failing nodes to the debug log; their effects are reported by us."""

    def write(self, text: str) -> int:
        if text.strip():
            _log.debug("%s", text.rstrip())
        return len(text)


class Node(NamedTuple):
    """A machine of a cluster with all of its resources, used or not."""

    id: str
    name: str
    cpus: float
    gpus: float


class Cluster:
    """A connected cluster; `ray` is the module."""

    def __init__(self, ray: ModuleType) -> None:
        self.ray = ray

    def nodes(self) -> list[Node]:
        """The live nodes."""
        return [
            Node(
                node["NodeID"],
                node["NodeManagerHostname"],
                *(node["Resources"].get(resource, 0.0) for resource in ("CPU", "GPU")),
            )
            for node in self.ray.nodes()
            if node["Alive"]
        ]


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """The cluster of an address: `local` starts one that ends with us, `auto` is the one that runs here or that
    RAY_ADDRESS names, `host:port` the one that this machine is a node of, and `ray://host:port` any other.

    Raises UsageError for an invalid address, BackendError without Ray, FarmError if nothing answers.
    """
    check_address(address)
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    _check_reachable(address)
    with (
        _environment(address == "local"),
        redirect_stdout(_DebugLog()),
        tempfile.TemporaryDirectory(prefix="adcvsr-", dir=_short_temp_folder(), ignore_cleanup_errors=True) as folder,
    ):
        ray = _import_ray()
        try:
            _init(ray, address, folder)
            yield Cluster(ray)
        finally:
            ray.shutdown()


def check_address(address: str) -> None:
    """Raises UsageError for an invalid address."""
    if address not in {"local", "auto"} and not _ADDRESS.fullmatch(address):
        hint = near_misses(address, ("local", "auto"))
        raise UsageError.of("-farm", address, "local, auto, ray://host:port, or host:port on a node of it", hint)


def _init(ray: ModuleType, address: str, folder: str) -> None:
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    try:
        if address == "local":
            ray.init(
                "local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, _temp_dir=folder, **quiet
            )
        else:
            _check_reachable(_resolved(address))
            ray.init(address, **quiet)
    except FarmError:
        raise
    except (Exception, SystemExit) as error:  # Ray raises whatever its parts raise, and exits where one waits in vain
        message = one_line(error, 400)
        raise FarmError(f"Ray at {address} cannot be joined: {message or type(error).__name__}") from error
    if address == "local" and (outside := [node for node in ray.nodes() if node["NodeManagerAddress"] != "127.0.0.1"]):
        raise FarmError(
            f"Ray listens at {outside[0]['NodeManagerAddress']} instead of 127.0.0.1; was ray imported before in this "
            "process?"
        )


def _resolved(address: str) -> str:
    """The address as Ray resolves it: it searches for `auto`, and replaces 127.0.0.1 by this machine's network address.
    """
    if address.startswith("ray://"):
        return address
    resolve = getattr(import_module("ray._private.services"), "canonicalize_bootstrap_address", lambda name: name)
    try:
        return str(resolve(address))
    except ConnectionError as error:
        raise FarmError("no Ray runs on this machine, and RAY_ADDRESS names none; -farm local starts one") from error


def _import_ray() -> ModuleType:
    with needs("farm", "-farm"):
        import ray
    module: ModuleType = ray
    return module


def _check_reachable(address: str) -> None:
    """Raises FarmError if no Ray answers: Ray itself would wait for minutes."""
    match = _ADDRESS.fullmatch(address)
    if match is None or os.environ.get("RAY_USE_TLS", "0") == "1":
        return
    endpoint = match["where"]
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT) as connection:
            connection.settimeout(_CONNECT_TIMEOUT)
            connection.sendall(_GRPC_PREFACE)
            reply = connection.recv(9)
    except (OSError, OverflowError) as error:
        raise FarmError(
            f"no Ray answers at {endpoint}: {error}; is it the head's address, and is it running?"
        ) from error
    if reply[3:4] != b"\x04":
        raise FarmError(f"the server at {endpoint} is not Ray; usual are ray://host:10001 and, on a node, host:6379")


@contextmanager
def _environment(local: bool) -> Iterator[None]:
    """The environment that Ray reads when it is imported."""
    defaults = {**_QUIET, **_WORKER_NICENESS} if local else _QUIET
    variables = {**_NO_USAGE_STATS, **{name: value for name, value in defaults.items() if name not in os.environ}}
    if local:
        variables |= {**_LOCAL_ONLY, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
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


def _short_temp_folder() -> str | None:
    """A folder with a name short enough for Ray's sockets; None for the default."""
    return None if len(tempfile.gettempdir()) < _MAX_TEMP_FOLDER or not Path("/tmp").is_dir() else "/tmp"
