"""Suspending credentials by the registry's admin API while the run goes on, again and again until it is done."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from types import TracebackType

import httpx

from chaos.load import event_id
from chaos.plan import Submission
from issuer.derivation import Derivation
from laurel.contracts.addresses import Addresses
from laurel.contracts.errors import Code
from laurel_local.consortium import Consortium

_HTTP_SECONDS = 20.0
_AGAIN_SECONDS = 0.5


class StatusChanges:
    """A queue of credentials to suspend, worked through in the background; leaving the context waits for its end."""

    def __init__(self, consortium: Consortium, public_url: str, registries: Callable[[], Sequence[str]]) -> None:
        self._consortium = consortium
        self._derivation = Derivation(consortium.master_key)
        self._addresses = Addresses(public_url)
        self._registries = registries
        self._queue: asyncio.Queue[Submission] = asyncio.Queue()
        self._http = httpx.AsyncClient(timeout=_HTTP_SECONDS, trust_env=False)
        self._turn = itertools.count()

    def credential_of(self, submission: Submission) -> str:
        """The id that a good completion's credential has."""
        source = self._consortium.source(submission.partner)
        return self._addresses.credential(self._derivation.token(submission.partner, source, event_id(submission)))

    def suspend(self, submissions: Sequence[Submission]) -> None:
        """Have the credentials of these completions suspended soon."""
        for each in submissions:
            self._queue.put_nowait(each)

    async def __aenter__(self) -> StatusChanges:
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            everything = asyncio.create_task(self._queue.join())
            await asyncio.wait({everything, self._work}, return_when=asyncio.FIRST_COMPLETED)
            everything.cancel()
        if self._work.done():
            self._work.result()
        self._work.cancel()
        await self._http.aclose()

    async def _run(self) -> None:
        while True:
            submission = await self._queue.get()
            for number in itertools.count():
                if await self._suspended(submission, f"{event_id(submission)}-{number}"):
                    break
            self._queue.task_done()

    async def _suspended(self, submission: Submission, request_id: str) -> bool:
        """Ask under this id until there is an outcome; False where the credential is not registered yet."""
        body = {
            "credential": self.credential_of(submission), "action": "suspend", "reason": "Chaos looks into it.",
            "requestedBy": "chaos", "requestId": request_id,
        }  # fmt: skip
        token = {"Authorization": f"Bearer {self._consortium.admin_token}"}
        while True:
            registries = self._registries()
            url = f"{registries[next(self._turn) % len(registries)]}/admin/status-requests"
            try:
                answer = await self._http.post(url, json=body, headers=token)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == httpx.codes.OK:
                return True
            if answer is not None and answer.status_code == httpx.codes.NOT_FOUND:
                assert answer.json()["code"] == Code.UNKNOWN_CREDENTIAL.value, answer.text
                await asyncio.sleep(_AGAIN_SECONDS)
                return False
            assert answer is None or answer.status_code in (202, 429, 503), f"{answer.status_code}: {answer.text}"
            await asyncio.sleep(_AGAIN_SECONDS)
