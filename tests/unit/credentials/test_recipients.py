"""Whether a badge is somebody's: with the right address it is, with any other it is not."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials.model import hash_identity
from laurel.credentials.recipients import recipient_matches
from support.examples import example

Document = dict[str, Any]
ADDRESS = "ada@example.org"


def identity(content: Any, *, hashed: Any = True, kind: Any = "emailAddress", **more: Any) -> Document:
    return {"type": "IdentityObject", "hashed": hashed, "identityHash": content, "identityType": kind, **more}


def about(*identities: Any, **more: Any) -> Document:
    return {"credentialSubject": {"identifier": list(identities), **more}}


def md5(text: str) -> str:
    return "md5$" + hashlib.md5(text.encode()).hexdigest()


def test_what_laurel_issues_is_the_recipients(badge: Callable[[], Document]) -> None:
    assert recipient_matches(badge(), ADDRESS)
    assert not recipient_matches(badge(), "bob@example.org")


def test_the_example_of_the_specification() -> None:
    # OB 3.0, "IdentityHash": the hash of a@example.com with the salt Kosher.
    hashed = identity("sha256$b5809d8a92f8858436d7e6b87c12ebc0ae1eac4baecc2c0b913aee2c922ef399", salt="Kosher")
    assert recipient_matches(about(hashed), "a@example.com")
    assert not recipient_matches(about(hashed | {"salt": "kosher"}), "a@example.com")
    for address in ("student@1edtech.edu", "somebody@gmail.com"):
        assert recipient_matches(example("complete"), address)
    assert not recipient_matches(example("complete"), "nobody@gmail.com")


@pytest.mark.parametrize(
    "document",
    [
        about(identity(hash_identity(ADDRESS, "salt"), salt="salt")),
        about(identity(hash_identity(ADDRESS, ""))),
        about(identity(hash_identity(ADDRESS, "salt").upper().replace("SHA", "sha"), salt="salt")),
        about(identity(md5(ADDRESS + "salt"), salt="salt")),
        about(identity(ADDRESS, hashed=False, salt="not-used")),
        about(identity("Ada@Example.org", hashed=False)),
        about(id=f"mailto:{ADDRESS}"),
        about(id=f"MAILTO:{ADDRESS}"),
        about(identity("x"), identity(hash_identity("bob@example.org", "")), identity(hash_identity(ADDRESS, ""))),
        {"credentialSubject": {"identifier": identity(hash_identity(ADDRESS, ""))}},
        {"credentialSubject": [{"id": "urn:x"}, {"identifier": [identity(hash_identity(ADDRESS, ""))]}]},
    ],
)
def test_every_form_of_an_identifier_is_understood(document: Document) -> None:
    assert recipient_matches(document, ADDRESS)
    assert recipient_matches(document, f"  {ADDRESS}\n")
    assert recipient_matches(document, ADDRESS.upper())
    assert not recipient_matches(document, "eve@example.org")


def test_a_hash_of_the_address_as_it_is_spelt_is_found() -> None:
    hashed = about(identity(hash_identity("Ada@Example.org", "s"), salt="s"))
    assert recipient_matches(hashed, "Ada@Example.org")
    assert not recipient_matches(hashed, ADDRESS)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"credentialSubject": None},
        {"credentialSubject": ["x", 3, []]},
        about(),
        about(None, 3, "x", [], {}),
        # Of another type, or not saying whether it is a hash, or no hash that is known.
        about(identity(hash_identity(ADDRESS, ""), kind="userName")),
        about(identity(hash_identity(ADDRESS, ""), kind=["emailAddress"])),
        about(identity(hash_identity(ADDRESS, ""), hashed="true")),
        about(identity(hash_identity(ADDRESS, ""), hashed=1)),
        about(identity(hash_identity(ADDRESS, ""), hashed=False)),
        about(identity(ADDRESS)),
        about(identity("sha1$" + hashlib.sha1(ADDRESS.encode()).hexdigest())),
        about(identity(hash_identity(ADDRESS, "").replace("sha256", "SHA256"))),
        about(identity(None)),
        about(identity(hash_identity(ADDRESS, ""), salt=None)),
        about(identity(hash_identity(ADDRESS, "")[:-1])),
        about(identity("sha256$")),
        about(identity("", hashed=False)),
        about(id=ADDRESS),
        about(id="mailto:"),
        about(id=[f"mailto:{ADDRESS}"]),
        about(id=f"https://example.org/mailto:{ADDRESS}"),
        about(identity("\ud800", hashed=False, salt="\ud800"), identity(hash_identity("x", ""), salt="\ud800")),
    ],
)
def test_nothing_else_is_taken_for_the_address(document: Document) -> None:
    assert not recipient_matches(document, ADDRESS)


@pytest.mark.parametrize("address", ["", "  ", "a" * 321])
def test_what_is_no_address_matches_nothing(address: str) -> None:
    same = (identity(hash_identity(each, "")) for each in (address, address.strip()))
    assert not recipient_matches(about(*same, identity(address, hashed=False), id=f"mailto:{address}"), address)


def test_the_work_is_bounded() -> None:
    crowd = [identity(hash_identity(f"{number}@example.org", "")) for number in range(65)]
    assert recipient_matches(about(*crowd), "63@example.org")
    assert not recipient_matches(about(*crowd), "64@example.org")


@settings(deadline=None, max_examples=100)
@given(st.emails(), st.emails(), st.text(max_size=20))
def test_a_salted_hash_is_its_own_address_alone(address: str, other: str, salt: str) -> None:
    document = about(identity(hash_identity(address, salt), salt=salt))
    assert recipient_matches(document, address)
    assert recipient_matches(document, other) == (address in (other, other.lower()))
