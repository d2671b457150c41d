"""The signing keys file and what is signed with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from issuer.signer import Signer, ToSign
from laurel.contracts.catalog import DEFAULT_CRYPTOSUITE, IssuerPublished
from laurel.contracts.errors import Code
from laurel.contracts.status import Purpose
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.proofs import ProvenDocument
from laurel.runtime.faults import Poison
from support.badges import status_list
from support.world import EPOCH, World, key

WORLD = World()
NORTH = next(each for each in WORLD.published() if isinstance(each, IssuerPublished) and each.id == "north")
SECRET = WORLD.members["north"].to_multibase()


def written(path: Path, content: object) -> Path:
    file = path / "keys.json"
    file.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return file


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json " + SECRET.encode(),
        {"issuer": "north", "secretKeyMultibase": SECRET},
        [{"issuer": "north"}],
        [{"issuer": "north", "secretKeyMultibase": 12}],
        [{"issuer": "not a slug", "secretKeyMultibase": SECRET}],
        [{"issuer": "north", "secretKeyMultibase": SECRET[:-1]}],
        [{"issuer": "north", "secretKeyMultibase": SECRET + "1"}],
        [{"issuer": "north", "secretKeyMultibase": WORLD.members["north"].public.to_multibase()}],
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_of_it_is_told(content: object, tmp_path: Path) -> None:
    file = written(tmp_path, content)
    with pytest.raises(ValueError, match="is not a JSON array of objects") as error:
        Signer.from_file(file)
    assert str(file) in str(error.value)
    assert SECRET[:12] not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_secrets_do_not_show_in_representations(tmp_path: Path) -> None:
    signer = Signer.from_file(written(tmp_path, [{"issuer": "north", "secretKeyMultibase": SECRET}]))
    assert SECRET not in repr(vars(signer))


async def test_what_is_signed_verifies_and_is_the_same_each_time() -> None:
    north = WORLD.members["north"]
    signer = Signer([north])
    document = status_list(WORLD.addresses, north, Purpose.REVOCATION, at=EPOCH)
    del document["proof"]
    multikey = north.public.to_multibase()
    wish = ToSign(document, multikey, WORLD.verification_method("north"), DEFAULT_CRYPTOSUITE, EPOCH)
    first, second = await signer.sign_all([wish, wish])
    assert orjson.dumps(first) == orjson.dumps(second)
    ProvenDocument(first).verify(
        first["proof"],
        method=VerificationMethod(WORLD.verification_method("north"), WORLD.did("north"), north.public, None),
    )


async def test_a_key_that_was_taken_away_is_named_and_nothing_else_signs() -> None:
    gone = key("gone").public.to_multibase()
    with pytest.raises(Poison, match=gone) as error:
        await Signer([WORLD.members["north"]]).sign_all([ToSign({}, gone, "did:web:x#y", DEFAULT_CRYPTOSUITE, EPOCH)])
    assert error.value.code is Code.ISSUER_NOT_READY


def test_a_member_signs_with_its_first_key_that_is_in_use_and_here() -> None:
    north = WORLD.members["north"]
    retired = NORTH.model_copy(
        update={"keys": tuple(each.model_copy(update={"retired": EPOCH}) for each in NORTH.keys)}
    )
    signer = Signer([north])
    assert signer.key_for(NORTH, EPOCH) == north.public.to_multibase()
    assert signer.key_for(retired, EPOCH - timedelta(seconds=1)) == north.public.to_multibase()
    for issuer, keys in ((retired, [north]), (NORTH, [key("another")]), (NORTH, [])):
        with pytest.raises(Poison, match="no key in use of the member north") as error:
            Signer(keys).key_for(issuer, EPOCH)
        assert error.value.code is Code.ISSUER_NOT_READY
