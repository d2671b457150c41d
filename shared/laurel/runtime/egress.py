"""The only place that makes outgoing HTTP requests. Time, size and redirects are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from laurel.runtime.faults import Transient
from laurel.runtime.settings import is_loopback


class Refused(Exception):  # noqa: N818 - a decision
    """The address may not be fetched, or its answer cannot be used; trying again will not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes


class Egress:
    """A guarded client: https only, except to this machine where that is allowed; no redirects are followed."""

    def __init__(self, *, allow_loopback: bool = False, timeout: float = 5.0, limit: int = 1024 * 1024) -> None:
        self._allow_loopback = allow_loopback
        self._limit = limit
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)

    async def get(self, url: str, *, accept: str = "application/json") -> bytes:
        """The body at `url`.

        Raises:
            Refused: the address is not allowed, or the answer is not a 200 of a bearable size.
            Transient: no answer in time, or a 5xx.
        """
        answer = await self.request("GET", url, headers={"Accept": accept})
        if answer.status >= 500:
            raise Transient(f"{url} answered {answer.status}")
        if answer.status != 200:
            raise Refused(f"{url} answered {answer.status}")
        return answer.body

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Whatever `url` answers, also where that is a refusal.

        Raises:
            Refused: the address is not allowed, or the answer is not of a bearable size.
            Transient: no answer in time.
        """
        try:
            loopback = is_loopback(url)
        except ValueError:
            raise Refused(f"{url[:200]!r} is not a URL") from None
        if loopback:
            if not self._allow_loopback:
                raise Refused(f"{url} is on this machine, which is not allowed here")
        elif not url.startswith("https://"):
            raise Refused(f"{url} is not https")
        try:
            async with self._client.stream(method, url, content=body, headers=headers) as answer:
                received = b""
                async for chunk in answer.aiter_bytes():
                    received += chunk
                    if len(received) > self._limit:
                        raise Refused(f"{url} answered with more than {self._limit} bytes")
                return Answer(answer.status_code, received)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Refused(f"{url[:200]!r} is not a URL") from None
        except httpx.HTTPError as error:
            raise Transient(f"{url} could not be fetched: {type(error).__name__}") from None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()
