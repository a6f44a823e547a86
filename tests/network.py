"""The network, which tests do not have: sockets reach this machine alone."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

refused: list[str] = []
"""The addresses that were asked for in vain."""

_OWN_NAMES = {"", "localhost", "ip6-localhost", socket.gethostname().lower()}


def is_own(host: object) -> bool:
    """Whether an address, or a name, is that of this machine."""
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name.lower() in _OWN_NAMES
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback or address.is_unspecified


def turn_off(patch: pytest.MonkeyPatch) -> None:
    """Refuses everything but this machine, as where there is no network, and notes it in `refused`."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **options: Any) -> Any:
        if not is_own(host):
            refused.append(str(host))
            raise socket.gaierror(socket.EAI_NONAME, "tests have no network")
        return look_up(host, *more, **options)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(act: Any) -> Any:
    def guarded(self: socket.socket, *arguments: Any) -> Any:
        address = arguments[-1]
        if self.family in {socket.AF_INET, socket.AF_INET6} and not is_own(address[0]):
            refused.append(f"{address[0]}:{address[1]}")
            raise ConnectionRefusedError("tests have no network")
        return act(self, *arguments)

    return guarded
