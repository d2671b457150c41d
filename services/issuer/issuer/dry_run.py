"""What would become of completions, with nothing signed, stored, published or mailed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from issuer import domain
from issuer.domain import Sender
from issuer.intake import CompletionTaken, Intake, refused
from issuer.signer import Signer
from issuer.store import Store
from laurel.contracts.addresses import Addresses
from laurel.contracts.base import Contract
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.topics import Message
from laurel.credentials.errors import CredentialError
from laurel.credentials.lint import lint
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison

# Where the credential's status will be is drawn when it is issued; for its form, any place will do.
_SOMEWHERE = 0
_NO_SALT = "00000000000000000000000000000000"


class Fate(StrEnum):
    """What would become of a completion."""

    ISSUED = "issued"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"


class CompletionForeseen(Contract):
    """What would become of one completion."""

    id: str | None = None
    """The id it was sent with; absent where it could not be read."""
    outcome: Fate
    """What would become of it."""
    credential: str | None = None
    """The id that its credential would have; of a duplicate: the credential that stands."""
    code: Code | None = None
    """If it would be rejected: the reason's number."""
    pointer: str | None = None
    """If it would be rejected: a JSON pointer to the culprit in the completion as it was sent."""
    detail: str | None = None
    """If it would be rejected: one sentence that says what to mend."""


class CompletionsForeseen(Contract):
    """What would become of each completion, in the order in which they were sent."""

    dry_run: Literal[True] = True
    """Nothing was done."""
    completions: list[CompletionForeseen]


@dataclass(frozen=True)
class DryRun:
    """Decides as the intake and the issuing do, by the same rules and against the same record."""

    intake: Intake
    store: Store
    catalog: CatalogView
    signer: Signer
    addresses: Addresses
    policy: domain.Policy
    clock: Clock

    async def foresee(
        self, sender: Sender, given: Sequence[object], kid: str | None = None
    ) -> list[CompletionForeseen]:
        """What would become of each, taken in over HTTP, or as events that the sender's key `kid` has signed.

        What was accepted and is not handled yet has left no trace, so that the same again is not called a duplicate.

        Raises:
            Rejected: NOT_READY, the broker does not answer.
        """
        if kid is not None:
            try:
                sender = await self.intake.signing(sender, kid)
            except Rejected as refusal:
                if refusal.code is not Code.UNKNOWN_KEY:
                    raise
                return [_rejected(refused(each, refusal)) for each in given]
        admitted = await self.intake.admit(sender, given)
        sender = self.intake.renewed(sender)
        ids = [self.intake.credential_id(sender.partner, each) for each in admitted if isinstance(each, Message)]
        digests = {name: each.digest for name, each in (await self.store.intents(ids)).items()}
        foreseen = await asyncio.to_thread(self._foresee, sender, admitted, digests.copy())
        if any(each.code is Code.ISSUER_NOT_READY for each in foreseen):
            await self.intake.catch_up()  # a key that was registered just now
            foreseen = await asyncio.to_thread(self._foresee, sender, admitted, digests.copy())
        return foreseen

    def _foresee(
        self, sender: Sender, admitted: Sequence[Message | CompletionTaken], digests: dict[str, str]
    ) -> list[CompletionForeseen]:
        """`digests` has the events that came before, by credential id; those of this call are added to it."""
        foreseen = []
        for each in admitted:
            if isinstance(each, CompletionTaken):
                foreseen.append(_rejected(each))
                continue
            credential = self.intake.credential_id(sender.partner, each)
            try:
                came_before = domain.came_before(digests.get(credential), each.event)
                if not came_before:
                    self._check_issuable(sender, each, credential)
            except Rejected as refusal:
                foreseen.append(_rejected(refused({"id": each.event.id}, refusal)))
                continue
            digests.setdefault(credential, domain.digest(each.event))
            fate = Fate.DUPLICATE if came_before else Fate.ISSUED
            foreseen.append(CompletionForeseen(id=each.event.id, outcome=fate, credential=credential))
        return foreseen

    def _check_issuable(self, sender: Sender, admitted: Message, credential: str) -> None:
        """Build and check the credential as issuing does, short of drawing and signing. Raises Rejected."""
        now = self.clock()
        accepted = domain.accept(admitted.event, sender, self.catalog, self.policy, now)
        try:
            self.signer.key_for(accepted.issuer, now)
        except Poison as error:
            raise Rejected(error.code, "", f"It would be kept until the consortium has mended this: {error}.") from None
        position = StatusPosition(family=f"{accepted.issuer.id}-1", index=_SOMEWHERE)
        document = domain.build_credential(accepted, self.addresses, credential, position, _NO_SALT, now)
        try:
            lint(document)
        except CredentialError as error:
            raise Rejected(
                Code.INVALID_FIELD, "/data", f"No credential can be made of it: {error.detail} ({error.pointer})"
            ) from None


def _rejected(each: CompletionTaken) -> CompletionForeseen:
    return CompletionForeseen(
        id=each.id, outcome=Fate.REJECTED, code=each.code, pointer=each.pointer, detail=each.detail
    )
