"""What a credential pins by digest is compared, as far as it is at hand."""

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, OPEN_BADGES, raw
from laurel.credentials.keys import encode_base64url
from laurel.credentials.related_resources import check_related_resources
from laurel.credentials.report import Outcome, Reason
from laurel.credentials.values import encode_base58btc


def sri(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}-" + b64encode(hashlib.new(algorithm, content).digest()).decode()


def multibase(content: bytes) -> str:
    return "u" + encode_base64url(b"\x12\x20" + hashlib.sha256(content).digest())


MULTIHASHES = {"sha256": b"\x12\x20", "sha384": b"\x20\x30", "sha512": b"\x13\x40"}


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_bundled_resource_that_is_what_it_was(algorithm: str) -> None:
    content = raw(CREDENTIALS_V2)
    resource = {"id": CREDENTIALS_V2, "digestSRI": sri(content, algorithm), "digestMultibase": multibase(content)}
    assert [step.outcome for step in check_related_resources({"relatedResource": resource})] == [Outcome.valid]


@pytest.mark.parametrize("algorithm", MULTIHASHES)
def test_a_multihash_may_be_in_base58(algorithm: str) -> None:
    digest = hashlib.new(algorithm, raw(CREDENTIALS_V2)).digest()
    for told, outcome in ((digest, Outcome.valid), (bytes(len(digest)), Outcome.invalid)):
        resource = {"id": CREDENTIALS_V2, "digestMultibase": encode_base58btc(MULTIHASHES[algorithm] + told)}
        assert [step.outcome for step in check_related_resources({"relatedResource": resource})] == [outcome]


def test_a_copy_with_other_white_space_decides_nothing() -> None:
    # The digest that VC Data Model 1.1 publishes (appendix B.1); the bundled copy was formatted anew.
    digest = b64encode(bytes.fromhex("ab4ddd9a531758807a79a5b450510d61ae8d147eab966cc9a200c07095b0cdcc")).decode()
    resource = {"id": CREDENTIALS_V1, "digestSRI": f"sha256-{digest}"}
    (step,) = check_related_resources({"relatedResource": resource})
    assert (step.outcome, step.advisory) == (Outcome.unknown, True)


@pytest.mark.parametrize("name", ["digestSRI", "digestMultibase"])
def test_one_that_has_changed_since(name: str) -> None:
    digest = {"digestSRI": sri, "digestMultibase": multibase}[name](b"something else")
    (step,) = check_related_resources({"relatedResource": [{"id": OPEN_BADGES, name: digest}]})
    assert (step.outcome, step.reason, step.pointer) == (Outcome.invalid, Reason.altered, "/relatedResource/0")


def test_what_would_have_to_be_fetched_leaves_the_credential_standing() -> None:
    resource = {"id": "https://school.example/logo.png", "digestSRI": sri(b"")}
    (step,) = check_related_resources({"relatedResource": [resource]})
    assert (step.outcome, step.advisory) == (Outcome.unknown, True)


@pytest.mark.parametrize(
    ("resource", "pointer"),
    [
        ("urn:x", "/relatedResource/0/id"),
        ({"digestSRI": sri(b"")}, "/relatedResource/0/id"),
        ({"id": "logo.png", "digestSRI": sri(b"")}, "/relatedResource/0/id"),
        ({"id": "urn:x"}, "/relatedResource/0"),
        ({"id": "urn:x", "digestSRI": "md5-abc"}, "/relatedResource/0/digestSRI"),
        ({"id": "urn:x", "digestSRI": "sha256-" + "A" * 45}, "/relatedResource/0/digestSRI"),
        ({"id": "urn:x", "digestMultibase": "zabc"}, "/relatedResource/0/digestMultibase"),
        ({"id": "urn:x", "digestMultibase": ["u!"]}, "/relatedResource/0/digestMultibase"),
    ],
)
def test_malformed_entries(resource: Any, pointer: str) -> None:
    (step,) = check_related_resources({"relatedResource": [resource]})
    assert (step.outcome, step.reason, step.pointer) == (Outcome.invalid, Reason.malformed, pointer)


def test_none_twice_and_not_too_many() -> None:
    resource = {"id": "urn:x", "digestSRI": sri(b"")}
    assert [step.outcome for step in check_related_resources({"relatedResource": [resource] * 2})] == [
        Outcome.unknown,
        Outcome.invalid,
    ]
    many = [{"id": f"urn:{number}", "digestSRI": sri(b"")} for number in range(33)]
    assert [step.outcome for step in check_related_resources({"relatedResource": many})] == [Outcome.invalid]
    assert check_related_resources({}) == []
