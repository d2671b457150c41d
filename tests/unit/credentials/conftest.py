"""A credential as Laurel issues it, its keys, and sources that answer from memory."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.model import (
    Achievement,
    AchievementSubject,
    Alignment,
    BitstringStatusListEntry,
    Criteria,
    Evidence,
    IdentityObject,
    Image,
    OpenBadgeCredential,
    Profile,
    Result,
    hash_identity,
    to_document,
)
from laurel.credentials.proofs import sign
from support.sources import MemorySources

ISSUER = "did:web:academy.example"
METHOD = f"{ISSUER}#key-1"
CREATED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
Document = dict[str, Any]


def build_badge() -> Document:
    """An unsigned badge that uses every member Laurel issues."""
    lists = "https://registry.example/status"
    return to_document(
        OpenBadgeCredential(
            id="https://registry.example/credentials/7Hq2",
            name="Data Literacy",
            description="Awarded for finishing the course.",
            issuer=Profile(
                id=ISSUER,
                name="Academy of Examples",
                url="https://academy.example",
                email="badges@academy.example",
                description="A school.",
                image=Image(id="https://academy.example/logo.png", caption="Our logo"),
            ),
            valid_from=CREATED,
            valid_until=datetime(2029, 3, 1, tzinfo=UTC),
            awarded_date=CREATED,
            credential_subject=AchievementSubject(
                identifier=(IdentityObject(identity_hash=hash_identity("ada@example.org", "s" * 22), salt="s" * 22),),
                achievement=Achievement(
                    id="https://registry.example/achievements/data-literacy",
                    name="Data Literacy",
                    description="Reads and questions data.",
                    criteria=Criteria(narrative="Passed both exams.", id="https://academy.example/criteria"),
                    alignment=(
                        Alignment(
                            target_name="interpret data",
                            target_url="http://data.europa.eu/esco/skill/1",
                            target_framework="ESCO",
                            target_code="S1.2",
                            target_description="Draw conclusions from data.",
                            target_type="ceasn:Competency",
                        ),
                    ),
                    tag=("data", "literacy"),
                    in_language="en",
                    image=Image(id="https://registry.example/data.png"),
                    creator=Profile(id="did:web:consortium.example", name="The Consortium"),
                ),
                result=(Result(status="Completed", value="87"),),
            ),
            credential_status=(
                BitstringStatusListEntry(
                    id="urn:uuid:7d3c7c51-1111-4b7e-8f3e-9a1f4a4f0001",
                    status_purpose="revocation",
                    status_list_index="94567",
                    status_list_credential=f"{lists}/revocation/1",
                ),
                BitstringStatusListEntry(
                    id="urn:uuid:7d3c7c51-1111-4b7e-8f3e-9a1f4a4f0002",
                    status_purpose="suspension",
                    status_list_index="94567",
                    status_list_credential=f"{lists}/suspension/1",
                ),
            ),
            evidence=(
                Evidence(id="https://academy.example/work/1", name="Thesis", narrative="A study.", genre="essay"),
            ),
        )
    )


@pytest.fixture(scope="session")
def badge() -> Callable[[], Document]:
    return build_badge


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey.from_seed(bytes(range(32)))


@pytest.fixture(scope="session")
def method(key: SigningKey) -> VerificationMethod:
    return VerificationMethod(METHOD, ISSUER, key.public)


@pytest.fixture(scope="session")
def sign_it(key: SigningKey) -> Callable[[Document], Document]:
    def signed(document: Document) -> Document:
        return sign(document, key=key, verification_method=METHOD, created=CREATED)

    return signed


@pytest.fixture
def signed(sign_it: Callable[[Document], Document]) -> Document:
    return sign_it(build_badge())


@pytest.fixture
def sources(method: VerificationMethod) -> MemorySources:
    return MemorySources({METHOD: method})
