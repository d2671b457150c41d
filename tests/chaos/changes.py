"""Changing the status of credentials while the run goes on: by the registry's admin API, one at a time and in bulk, and
as partners do, over Kafka; each again and again until it is done."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any

import httpx

from chaos.load import Load, event_id
from chaos.plan import Submission
from chaos.wishes import Asker, BulkWish, Wish, Wishes
from issuer.derivation import Derivation
from laurel.contracts.addresses import Addresses
from laurel.contracts.signature import sign
from laurel.contracts.status import Action, StatusChangeRequested
from laurel.contracts.topics import STATUS_REQUESTS, Message, message
from laurel_local.consortium import Consortium

_AT_ONCE = 4
_HTTP_SECONDS = 20.0
_AGAIN_SECONDS = 0.3
_PATIENCE_SECONDS = 600.0
_REASON = "Chaos looks into it."
_NAME = "chaos"


class StatusChanges:
    """A queue of wishes, worked through in the background; leaving the context waits for its end."""

    def __init__(
        self, consortium: Consortium, public_url: str, submissions: Sequence[Submission], load: Load,
        registries: Callable[[], Sequence[str]],
    ) -> None:  # fmt: skip
        self._consortium = consortium
        self._derivation = Derivation(consortium.master_key)
        self._addresses = Addresses(public_url)
        self._submissions = submissions
        self._load = load
        self._registries = registries
        self._queue: asyncio.Queue[Wishes | BulkWish] = asyncio.Queue()
        self._http = httpx.AsyncClient(
            timeout=_HTTP_SECONDS, trust_env=False, headers={"Authorization": f"Bearer {consortium.admin_token}"}
        )
        self._turn = itertools.count()

    def credential_of(self, number: int) -> str:
        """The id of the credential that a good completion earns."""
        return self._addresses.credential(self._token(number))

    def ask(self, wishes: Sequence[Wishes | BulkWish]) -> None:
        """Have these asked for soon."""
        for each in wishes:
            self._queue.put_nowait(each)

    async def __aenter__(self) -> StatusChanges:
        self._workers = [asyncio.create_task(self._run()) for _ in range(_AT_ONCE)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            everything = asyncio.create_task(self._queue.join())
            await asyncio.wait([everything, *self._workers], return_when=asyncio.FIRST_COMPLETED)
            everything.cancel()
        failed = [each for each in self._workers if each.done()]
        for each in self._workers:
            each.cancel()
        await self._http.aclose()
        for each in failed:
            each.result()

    async def _run(self) -> None:
        while True:
            wanted = await self._queue.get()
            await (self._one_by_one(wanted) if isinstance(wanted, Wishes) else self._in_bulk(wanted))
            self._queue.task_done()

    # --- one credential ---

    async def _one_by_one(self, wanted: Wishes) -> None:
        held = f"/admin/credentials/{self._token(wanted.of)}"
        await self._until(_answered, "GET", held, not_yet=httpx.codes.NOT_FOUND)
        for number, wish in enumerate(wanted.wishes, 1):
            request_id = f"chaos-{wanted.of}-{number}"
            if wish.asker is Asker.ADMIN:
                body = {
                    "credential": self.credential_of(wanted.of), "action": wish.action.value, "reason": _REASON,
                    "requestedBy": _NAME, "requestId": request_id,
                }  # fmt: skip
                await self._until(_answered, "POST", "/admin/status-requests", body)
            else:
                partner = self._submissions[wanted.of].partner
                await self._load.publish(partner, [self._signed(partner, wanted.of, wish, request_id)])
                # The registration is the first version.
                await self._until(partial(_has_version, number + 1), "GET", held)

    def _signed(self, partner: str, number: int, wish: Wish, request_id: str) -> Message:
        now, credential = datetime.now(UTC), self.credential_of(number)
        body = StatusChangeRequested(
            credential=credential, action=wish.action, reason=_REASON, requested_by=_NAME, requested_at=now
        )
        source = self._consortium.source(partner)
        made = message(STATUS_REQUESTS, body, key=credential, event_id=request_id, source=source, time=now)
        key, kid = self._consortium.partner_keys[partner], self._consortium.kid(partner)
        return replace(made, event=sign(made.event, key, kid))

    # --- many ---

    async def _in_bulk(self, wanted: BulkWish) -> None:
        name = f"chaos-bulk-{wanted.of[0]}"
        reinstated = {"credentials": list(map(self.credential_of, wanted.reinstated))}
        everything = {"credentials": list(map(self.credential_of, wanted.of))}
        await self._bulk(f"{name}-suspend", everything, Action.SUSPEND)
        await self._bulk(f"{name}-reinstate", reinstated, Action.REINSTATE)
        await self._bulk(f"{name}-revoke", {"bulk": f"{name}-suspend"}, Action.REVOKE)

    async def _bulk(self, name: str, selection: dict[str, Any], action: Action) -> None:
        body: dict[str, Any] = {"selection": selection, "action": action.value}
        # What is not registered yet would be left out.
        seen = await self._until(
            lambda shown: bool(shown["counts"]["unknown"] == 0), "POST", "/admin/status-changes/preview", body
        )
        body |= {"digest": seen["digest"], "reason": _REASON, "requestedBy": _NAME, "requestId": name}
        await self._until(_answered, "POST", "/admin/status-changes", body)

    # --- asking ---

    async def _until(
        self, done: Callable[[dict[str, Any]], bool], method: str, path: str, body: dict[str, Any] | None = None,
        *, not_yet: int = httpx.codes.ACCEPTED,
    ) -> dict[str, Any]:  # fmt: skip
        """Ask one registry after the other until one answers 200 and it is done.

        Raises:
            AssertionError: an answer that there should not be, or none that says so in ten minutes.
        """
        wait = {not_yet, httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}
        deadline, last = asyncio.get_running_loop().time() + _PATIENCE_SECONDS, "nothing"
        while asyncio.get_running_loop().time() < deadline:
            registries = self._registries()
            url = f"{registries[next(self._turn) % len(registries)]}{path}"
            try:
                answer = await self._http.request(method, url, json=body)
            except httpx.TransportError as error:
                last = type(error).__name__
            else:
                last = f"{answer.status_code}: {answer.text[:500]}"
                if answer.status_code == httpx.codes.OK and done(shown := answer.json()):
                    return dict(shown)
                assert answer.status_code in {httpx.codes.OK, *wait}, f"{method} {path}: {last}"
            await asyncio.sleep(_AGAIN_SECONDS)
        raise AssertionError(f"{method} {path} was not done in {_PATIENCE_SECONDS:.0f} s; last: {last}")

    def _token(self, number: int) -> str:
        submission = self._submissions[number]
        source = self._consortium.source(submission.partner)
        return self._derivation.token(submission.partner, source, event_id(submission))


def _answered(_: dict[str, Any]) -> bool:
    return True


def _has_version(version: int, shown: dict[str, Any]) -> bool:
    return bool(shown["version"] >= version)
