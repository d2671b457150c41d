"""Connections to addresses that may be reached, decided at the socket.

A host name is looked up once, every address found is judged, and the connection goes to one of exactly those: whoever
runs the name server cannot show one address to the check and another to the connection (DNS rebinding). What a URL
looks like decides nothing, so `127.1`, `0x7f000001` and a name that points inwards are all the same here.
"""
# ruff: noqa: ASYNC109 - httpcore's interface has its timeouts as parameters

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text and in the order to try them. Raises OSError where there are none."""

_ATTEMPTS = 3

# Of IPv6, only this is given out to networks today. What lies outside (mapped and compatible IPv4, site-local,
# NAT64 for local use, multicast) reaches either nobody or somebody inside.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# IANA's registry of special-purpose addresses, as far as `is_global` of Python does not follow it: tunnels, which carry
# any IPv4 address inside (Teredo, 6to4), and addresses for documentation.
_SPECIAL = tuple(IPv6Network(each) for each in ("2001::/23", "2002::/16", "3fff::/20"))
# RFC 6052: how a network without IPv4 of its own reaches it.
_NAT64 = IPv6Network("64:ff9b::/96")
_RELAYS = ip_address("192.88.99.0")  # RFC 7526: 6to4 relays, retired


class NotAllowed(Exception):  # noqa: N818 - a decision
    """The host may not be connected to, or sends more than it may; the message goes on from the URL."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where connections may go besides public addresses: to this machine, to private networks."""

    loopback: bool = False
    private: bool = False

    def refusal(self, text: str) -> str | None:
        """Why `text`, a numeric address, may not be connected to; None where it may."""
        address = ip_address(text)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
            if is_public(address):
                return "is at an IPv4 address in the guise of IPv6"
        if address.is_loopback or address.is_unspecified:
            return None if self.loopback and address.is_loopback else "is on this machine, which is not allowed here"
        if self.private and not address.is_multicast:
            return None
        return None if is_public(address) else "is not at a public address"


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is one of the open internet's, as IANA's registries of special addresses have it."""
    if isinstance(address, IPv4Address):
        special = address.is_multicast or address.is_reserved or address.packed[:3] == _RELAYS.packed[:3]
        return address.is_global and not special
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    return address in _GLOBAL_UNICAST and address.is_global and not any(address in each for each in _SPECIAL)


class SystemLookup:
    """The system's name service, in threads of its own: a name server that hangs holds up nothing but look-ups."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of `host`. Raises OSError where there are none."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        return [str(place[0]) for *_, place in found]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Dialer(httpcore.AsyncNetworkBackend):
    """The connection of one exchange, over which at most `budget` bytes are received."""

    def __init__(self, lookup: Lookup, reach: Reach, budget: int) -> None:
        self._lookup = lookup
        self._reach = reach
        self._budget = budget
        self._network = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:  # fmt: skip
        """Connect to `host`. Raises NotAllowed if any of its addresses is out of bounds, httpcore's errors else."""
        addresses = await self._addresses(host, port, timeout)
        for address in addresses:
            refusal = self._reach.refusal(address)
            if refusal is not None:
                raise NotAllowed(refusal)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        each = None if timeout is None else timeout / max(1, len(addresses[:_ATTEMPTS]))
        for address in addresses[:_ATTEMPTS]:
            try:
                # An address is not looked up again.
                self._stream = await self._network.connect_tcp(address, port, each, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Metered(self._stream, self._budget)
        raise failure

    async def _addresses(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(seconds):
                return list(dict.fromkeys(await self._lookup(host, port)))
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} was not found in time") from None
        except UnicodeError:
            raise NotAllowed("has no name that a name server could know") from None
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None

    async def aclose(self) -> None:
        """Close the connection, also one that was given up half-way through its TLS handshake."""
        if self._stream is not None:
            await self._stream.aclose()


class _Metered(httpcore.AsyncNetworkStream):
    """A stream that stops reading after so many bytes, be they headers, padding between chunks or body."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, budget: int) -> None:
        self._stream = stream
        self._budget = budget

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received = await self._stream.read(max_bytes, timeout)
        self._budget -= len(received)
        if self._budget < 0:
            raise NotAllowed("answers with more than can be taken")
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Metered(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
