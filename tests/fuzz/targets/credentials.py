"""Credentials and presentations, as text, as parsed JSON, and changed before they were signed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache, partial
from random import Random
from typing import Any

import orjson

from fuzz.harness import Target
from fuzz.mutation import as_json, mutated_bytes, mutated_json
from fuzz.samples import CREATED, KEY, METHOD, NOW, Document, signed, status_list, unsigned
from laurel.credentials.dids import did_key_method
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.presentations import verify_presentation
from laurel.credentials.proofs import sign
from laurel.credentials.status_list import check_status
from laurel.credentials.verification import Expected, verify

SUITES = ("eddsa-rdfc-2022", "eddsa-jcs-2022")


class Sources:
    """Keys out of did:key, and one status list for all."""

    def __init__(self) -> None:
        self._list = status_list()

    async def method(
        self, verification_method: str, issuer: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:  # fmt: skip
        """The key that the name is."""
        return did_key_method(verification_method)

    async def method_with(
        self, key: PublicKey, controller: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:  # fmt: skip
        """The key itself, as its controller's."""
        return VerificationMethod(controller, controller, key)

    async def status(self, entry: Document, issuer: str) -> bool:
        """Whether the bit is set in the list, whichever the entry names."""
        return check_status(entry, self._list)


@dataclass(frozen=True)
class Unsigned:
    """A document that is signed when it is read, so that what comes after the proof is reached."""

    document: Any
    cryptosuite: str


@cache
def _credentials() -> list[Document]:
    first, *rest = [signed(document, suite) for document in unsigned() for suite in SUITES]
    twice = sign(first, key=KEY, verification_method=METHOD.id, created=CREATED, proof_id="urn:uuid:2")
    return [first, *rest, twice]


@cache
def _presentations() -> list[Document]:
    plain = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": METHOD.controller,
        # Not the same badge twice: RDF sees two sets of objects that differ in nothing, which is a poison graph.
        "verifiableCredential": [_credentials()[0], _credentials()[2]],
    }
    return [
        sign(
            plain, key=KEY, verification_method=METHOD.id, created=CREATED, cryptosuite=suite,
            proof_purpose="authentication", domain="verifier.example", challenge="c",
        )
        for suite in SUITES
    ]  # fmt: skip


def _draw(samples: Callable[[], list[Document]], random: Random) -> Any:
    sample = random.choice(samples())
    match random.randrange(4):
        case 0:
            others = [orjson.dumps(each) for each in samples()]
            return mutated_bytes(random, orjson.dumps(sample), others)
        case 1:
            return as_json(mutated_json(random, sample, samples()))
        case 2:
            return mutated_json(random, sample, samples())
        case _:
            document = {name: value for name, value in sample.items() if name != "proof"}
            return Unsigned(mutated_json(random, document, samples()), random.choice(SUITES))


def _run(read: Callable[[Any], Coroutine[Any, Any, Any]], given: Any) -> None:
    if isinstance(given, Unsigned):
        if not isinstance(given.document, dict):
            return
        given = signed(given.document, given.cryptosuite)
    orjson.dumps(asyncio.run(read(given)).to_document())


async def _credential(given: Any) -> Any:
    return await verify(given, Sources(), NOW)


async def _presentation(given: Any) -> Any:
    expected = Expected("verifier.example", "c")
    return await verify_presentation(given, Sources(), NOW, expected, _credential)


TARGETS = (
    Target("credential", partial(_draw, _credentials), partial(_run, _credential)),
    Target("presentation", partial(_draw, _presentations), partial(_run, _presentation)),
)
