"""`relatedResource` (VC Data Model 2.0 §5.3): what the credential refers to is what it was when it was signed."""

import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from laurel.credentials.contexts import AS_SERVED, raw
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.form import members
from laurel.credentials.keys import decode_base64url
from laurel.credentials.report import Reason, Step, bad, good, open_question
from laurel.credentials.values import decode_base58btc, is_absolute_iri

NAME = "related resource"
_MOST = 32
_SRI = re.compile(r"(sha256|sha384|sha512)-([A-Za-z0-9+/]{43,86}={0,2})")
# Multihash: the code of the hash, then the length of the digest.
_MULTIHASHES = {b"\x12\x20": "sha256", b"\x20\x30": "sha384", b"\x13\x40": "sha512"}


def check_related_resources(document: Mapping[str, Any]) -> list[Step]:
    """A step for each resource that the credential pins; none where it pins nothing.

    Only what is bundled here byte for byte is compared. Other resources are not fetched: the step is unknown, and
    advisory.
    """
    steps: list[Step] = []
    seen: set[str] = set()
    for number, (here, resource) in enumerate(members(document, "relatedResource")):
        if number == _MOST:
            error = MalformedCredential(f"At most {_MOST} related resources are accepted.", pointer="/relatedResource")
            return [bad(NAME, error, Reason.malformed)]
        name = NAME if not steps else f"{NAME}:{number + 1}"
        try:
            url, digests = _read(resource, here)
            if url in seen:
                raise MalformedCredential("Each related resource is listed once.", pointer=f"{here}/id")
            seen.add(url)
            steps.append(_compared(name, url, digests, here))
        except MalformedCredential as error:
            steps.append(bad(name, error, Reason.malformed))
    return steps


def _read(resource: Any, here: str) -> tuple[str, list[tuple[str, bytes]]]:
    url = resource.get("id") if isinstance(resource, dict) else None
    if not isinstance(url, str) or not is_absolute_iri(url):
        raise MalformedCredential("A related resource needs an id, its URL.", pointer=f"{here}/id")
    digests = [_sri(each, here) for _, each in members(resource, "digestSRI")]
    digests += [_multihash(each, here) for _, each in members(resource, "digestMultibase")]
    if not digests:
        raise MalformedCredential("A related resource needs a digestSRI or a digestMultibase.", pointer=here)
    return url, digests


def _compared(name: str, url: str, digests: list[tuple[str, bytes]], here: str) -> Step:
    if url not in AS_SERVED:
        detail = f"Whether {url[:200]} is still what the credential refers to was not checked; it is not fetched."
        return open_question(name, "RELATED_RESOURCE_NOT_FETCHED", detail, advisory=True)
    content = raw(url)
    if all(hashlib.new(algorithm, content).digest() == digest for algorithm, digest in digests):
        return good(name, f"{url} is what the credential refers to.")
    detail = f"{url} is not what it was when the credential was made: its digest differs."
    return bad(name, MalformedCredential(detail, pointer=here, code="RELATED_RESOURCE_DIFFERS"), Reason.altered)


def _sri(text: Any, here: str) -> tuple[str, bytes]:
    found = _SRI.fullmatch(text) if isinstance(text, str) else None
    try:
        return (found[1], b64decode(found[2], validate=True)) if found else _refuse("digestSRI", here)
    except ValueError:
        return _refuse("digestSRI", here)


def _multihash(text: Any, here: str) -> tuple[str, bytes]:
    for prefix, algorithm in _MULTIHASHES.items():
        # Controlled Identifiers 1.0 §2.4: base64url or base58btc.
        with suppress(ValueError):
            if isinstance(text, str) and text.startswith("u"):
                content = decode_base64url(text[1:], limit=100)
            else:
                content = decode_base58btc(text, size=len(prefix) + prefix[1])
            if content.startswith(prefix):
                return algorithm, content[len(prefix) :]
    return _refuse("digestMultibase", here)


def _refuse(name: str, here: str) -> tuple[str, bytes]:
    raise MalformedCredential(f"The {name} is not a digest of a kind that is supported.", pointer=f"{here}/{name}")
