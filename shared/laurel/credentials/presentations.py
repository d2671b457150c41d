"""Verifying a presentation: that its holder made it, for whoever asks, and each credential in it by itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from laurel.credentials.errors import CredentialError, MalformedCredential
from laurel.credentials.form import holder_id, members
from laurel.credentials.report import Outcome, Reason, Step, Verification, bad, good, not_checked, worst
from laurel.credentials.secured import Secured, read_presentation
from laurel.credentials.verification import Checked, Expected, Sources, check_signature

MAX_CREDENTIALS = 10
"""Credentials in one presentation at most, since each is verified. Their contexts fit `contexts.MAX_REFERENCES`."""

VerifyCredential = Callable[[Any], Awaitable[Verification]]


@dataclass(frozen=True)
class PresentationVerification:
    """The presentation's own steps, and the verification of each credential in it, in their order."""

    presentation: Verification
    credentials: tuple[Verification, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of them all."""
        return worst(each.outcome for each in (self.presentation, *self.credentials))

    def to_document(self) -> dict[str, Any]:
        """The verification as JSON; `verified` is true for `valid` alone."""
        return {
            **self.presentation.to_document(),
            "outcome": self.outcome.value,
            "verified": self.outcome is Outcome.valid,
            "credentials": [each.to_document() for each in self.credentials],
        }


async def verify_presentation(
    document: Any, sources: Sources, now: datetime, expected: Expected, verify_credential: VerifyCredential
) -> PresentationVerification:
    """Verify a presentation, given as parsed JSON, as JSON text or as a JWT. Raises nothing for what is wrong with it.

    The steps are `form`; then `key`, `holder` and `proof` for each signature. The credentials are handed to
    `verify_credential`, whatever the presentation itself came to.
    """
    try:
        secured = read_presentation(document)
        credentials = credentials_of(secured.document)
    except CredentialError as error:
        rest = [not_checked(name, "the form of the presentation is wrong") for name in ("key", "holder", "proof")]
        return PresentationVerification(Verification((bad("form", error, Reason.malformed), *rest), now), ())
    form = good("form", "The document is a well-formed presentation, and every part of it is defined.")
    steps = [step for each in await _signed(secured, sources, now, expected) for step in each]
    verified = [await verify_credential(each) for each in credentials]
    return PresentationVerification(Verification((form, *steps), now), tuple(verified))


def credentials_of(presentation: dict[str, Any]) -> list[Any]:
    """The credentials in a presentation, of which there may be none. Raises MalformedCredential for too many."""
    credentials = [each for _, each in members(presentation, "verifiableCredential")]
    if len(credentials) > MAX_CREDENTIALS:
        raise MalformedCredential(
            f"The presentation holds more than {MAX_CREDENTIALS} credentials; present fewer at once.",
            pointer="/verifiableCredential",
        )
    return credentials


async def _signed(secured: Secured, sources: Sources, now: datetime, expected: Expected) -> list[tuple[Step, ...]]:
    holder = holder_id(secured.document)
    steps = []
    for number, signature in enumerate(secured.signatures, 1):
        party = holder or (signature.verification_method or "").partition("#")[0]
        checked = await check_signature(signature, party, sources, now, expected, "authentication")
        suffix = f":{number}" if number > 1 else ""
        found = (checked.key, _holder(checked, holder), checked.proof)
        steps.append(tuple(replace(step, name=step.name + suffix) for step in found))
    return steps


def _holder(checked: Checked, holder: str | None) -> Step:
    if checked.controller is None:
        return not_checked("holder", "the key is not known")
    if holder is None:
        return good("holder", f"The presentation was made by {checked.controller}.")
    if checked.controller != holder:
        detail = f"The key belongs to {checked.controller}, not to the holder {holder}."
        return Step("holder", Outcome.invalid, "HOLDER_MISMATCH", detail, Reason.untrusted_issuer)
    return good("holder", f"The key belongs to the holder {holder}.")
