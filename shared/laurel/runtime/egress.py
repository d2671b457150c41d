"""The only place that makes outgoing HTTP requests. Where they go is bounded, and so are time, size and number."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

import httpcore
import httpx

from laurel.credentials.errors import Unavailable
from laurel.runtime.dialing import Dialer, Lookup, NotAllowed, Reach, SystemLookup
from laurel.runtime.faults import Transient
from laurel.runtime.settings import is_loopback

_MAX_URL_CHARS = 4096
_MAX_HEADERS = 64 * 1024
_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_AT_ONCE = 32
_AT_ONCE_PER_HOST = 4


class Refused(Exception):  # noqa: N818 - a decision
    """The address may not be fetched, or its answer cannot be used; trying again will not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body, and the header Retry-After as it was given."""

    status: int
    body: bytes
    retry_after: str | None = None


class Egress:
    """A guarded client: https to public addresses, and nothing from the environment.

    `allow_loopback` lets this machine be reached, also by plain http under its own names; `allow_private` lets the
    networks that are nobody else's be reached, for addresses that an operator names. `timeout` bounds, in seconds,
    the connection and each wait for data, and `deadline` the whole exchange, its wait for a free place included.
    `limit` bounds the body in bytes; it is asked for without compression and is not decompressed. `trust` says which
    certificates count, the public authorities' if left out; `lookup` finds a host's addresses.
    """

    def __init__(
        self, *, allow_loopback: bool = False, allow_private: bool = False, timeout: float = 5.0,
        deadline: float | None = None, limit: int = 1024 * 1024, trust: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
    ) -> None:  # fmt: skip
        self._reach = Reach(loopback=allow_loopback, private=allow_private)
        self._timeout = timeout
        self._deadline = 2 * timeout if deadline is None else deadline
        self._limit = limit
        self._trust = trust or httpx.create_ssl_context(trust_env=False)
        self._system = SystemLookup(_AT_ONCE)
        self._lookup = lookup or self._system
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def get(self, url: str, *, accept: str = "application/json") -> bytes:
        """The body at `url`, or where its own server redirects to on the same host and port.

        Raises:
            Refused: the address is not allowed, or the answer is not a 200 of a bearable size.
            Transient: no answer in time, or a 5xx.
        """
        at = _parsed(url)
        async with self._bounded(at):
            for _ in range(_MAX_REDIRECTS + 1):
                answer, location = await self._exchange("GET", at, None, {"Accept": accept})
                if answer.status not in _REDIRECTS:
                    return _good(at, answer)
                at = _redirected(at, location)
        raise Refused(f"{url} redirects more than {_MAX_REDIRECTS} times")

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Whatever `url` answers, also where that is a refusal or a redirect.

        Raises:
            Refused: the address is not allowed, or the answer is not of a bearable size.
            Transient: no answer in time.
        """
        at = _parsed(url)
        async with self._bounded(at):
            return (await self._exchange(method, at, body, headers or {}))[0]

    async def fetch(self, url: str, accept: str) -> bytes:
        """The body at `url`, as the credential core wants it (`laurel.credentials.document_cache.Fetch`).

        Raises Unavailable, whatever the reason: that something cannot be had says nothing about a credential.
        """
        try:
            return await self.get(url, accept=accept)
        except (Refused, Transient) as error:
            raise Unavailable(f"{error}.") from None

    async def close(self) -> None:
        """Let go of what was held for look-ups."""
        self._system.close()

    @asynccontextmanager
    async def _bounded(self, at: httpx.URL) -> AsyncIterator[None]:
        """A place among those who fetch, for as long as the deadline allows. A slow host fills its own places only."""
        host = self._hosts.get(at.host)
        if host is None:
            host = self._hosts[at.host] = asyncio.Semaphore(_AT_ONCE_PER_HOST)
        try:
            async with asyncio.timeout(self._deadline), host, self._places:
                yield
        except TimeoutError:
            raise Transient(f"{at} did not answer within {self._deadline:g} s") from None

    async def _exchange(
        self, method: str, at: httpx.URL, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[Answer, str | None]:
        """One request and its answer, with the address it redirects to, if any."""
        if at.scheme != "https" and not (self._reach.loopback and is_loopback(str(at))):
            where = "on this machine, which is not allowed here" if is_loopback(str(at)) else "not https"
            raise Refused(f"{at} is {where}")
        target = httpcore.URL(scheme=at.raw_scheme, host=at.raw_host, port=at.port, target=at.raw_path)
        named = {"User-Agent": "laurel", "Accept-Encoding": "identity", **headers}
        extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)}
        dialer = Dialer(self._lookup, self._reach, self._limit + _MAX_HEADERS)
        connection = httpcore.AsyncHTTPConnection(target.origin, self._trust, network_backend=dialer)
        try:
            async with connection.stream(
                method, target, headers=[*named.items()], content=content, extensions=extensions
            ) as answer:
                found = httpx.Headers(answer.headers)
                body = await self._body(at, answer, found)
                return Answer(answer.status, body, found.get("retry-after")), found.get("location")
        except NotAllowed as error:
            raise Refused(f"{at} {error}") from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Transient(f"{at} could not be fetched: {type(error).__name__}") from None
        finally:
            await dialer.aclose()

    async def _body(self, at: httpx.URL, answer: httpcore.Response, headers: httpx.Headers) -> bytes:
        if headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise Refused(f"{at} answered with compressed content, which was not asked for")
        received = bytearray()
        async for chunk in answer.aiter_stream():
            received += chunk
            if len(received) > self._limit:
                raise Refused(f"{at} answered with more than {self._limit} bytes")
        return bytes(received)


def _parsed(url: str) -> httpx.URL:
    try:
        at = httpx.URL(url)
        host = at.host  # only this finds that a label is no IDNA
        is_loopback(url)
    except (httpx.InvalidURL, ValueError):
        raise Refused(f"{url[:200]!r} is not a URL") from None
    if len(url) > _MAX_URL_CHARS or (at.scheme in ("http", "https") and not host):
        raise Refused(f"{url[:200]!r} is not a URL")
    if at.scheme not in ("http", "https"):
        raise Refused(f"{url[:200]!r} is not https")
    if at.userinfo:
        raise Refused(f"the URL at {host} names a user, which no public one does")
    return at


def _redirected(at: httpx.URL, location: str | None) -> httpx.URL:
    if location is None:
        raise Refused(f"{at} redirects to nowhere")
    try:
        to = _parsed(str(at.join(location)))
    except (httpx.InvalidURL, ValueError):
        raise Refused(f"{at} redirects to {location[:200]!r}, which is not a URL") from None
    # Whoever answers for one host does not answer for another.
    if (to.scheme, to.host, _port(to)) != (at.scheme, at.host, _port(at)):
        raise Refused(f"{at} redirects to {to}, which is elsewhere")
    return to


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _good(at: httpx.URL, answer: Answer) -> bytes:
    if answer.status >= 500:
        raise Transient(f"{at} answered {answer.status}")
    if answer.status != 200:
        raise Refused(f"{at} answered {answer.status}")
    return answer.body
