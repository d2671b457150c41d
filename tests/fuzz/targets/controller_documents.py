"""Documents that publish keys, and the keys and DIDs in them."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import mutated_bytes, mutated_json
from fuzz.samples import CREATED, Document, keys
from laurel.credentials.controller_documents import did_document, methods_of
from laurel.credentials.dids import did_jwk_method, did_key, did_key_method, did_web_url, issuer_key_method
from laurel.credentials.errors import CredentialError
from laurel.credentials.keys import VerificationMethod

DID = "did:web:academy.example"
_JWK_DID = (
    "did:jwk:eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scHdpS3doT1NCM0EifQ"
)


@cache
def _documents() -> list[Document]:
    methods = [
        VerificationMethod(f"{DID}#key-{number}", DID, key.public, CREATED if number == 2 else None)
        for number, key in enumerate(keys())
    ]
    published = did_document(DID, methods)
    embedded = {"id": DID, "assertionMethod": [dict(entry, id="#k") for entry in published["verificationMethod"][:1]]}
    return [published, embedded]


def _draw_document(random: Random) -> Any:
    return mutated_json(random, random.choice(_documents()), _documents())


def _run_document(given: Any) -> None:
    for method in methods_of(given).values():
        assert not method.public_key.verify(b"\0" * 64, b"data")


@cache
def _names() -> list[bytes]:
    names = [
        *(did_key_method(did_key(key.public)).id for key in keys()),
        f"https://academy.example#{keys()[0].public.to_multibase()}",
        f"{DID}:north%3A1#key-1",
        _JWK_DID,
    ]
    return [name.encode() for name in names]


def _draw_name(random: Random) -> str:
    return mutated_bytes(random, random.choice(_names()), _names()).decode(errors="surrogateescape")


def _run_name(given: str) -> None:
    for read in (did_key_method, did_jwk_method, issuer_key_method):
        with suppress(CredentialError):
            read(given)
    did_web_url(given)


TARGETS = (
    Target("controller-document", _draw_document, _run_document),
    Target("key-name", _draw_name, _run_name),
)
