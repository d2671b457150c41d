"""What is signed in these tests."""

from __future__ import annotations

from collections.abc import Sequence

from laurel.credentials.model import (
    Achievement,
    AchievementSubject,
    Alignment,
    BitstringStatusListEntry,
    Criteria,
    Evidence,
    IdentityObject,
    OpenBadgeCredential,
    Profile,
    Result,
    hash_identity,
    to_document,
)
from oracles.oracle import CREATED, Document, Signer

SALT = "3f9c1be07a5d4286"
BADGE = "https://laurel.example/credentials/abc"


def entry(purpose: str, index: int = 94567) -> BitstringStatusListEntry:
    """A status entry of the badge."""
    return BitstringStatusListEntry(
        id=f"{BADGE}#{purpose}", status_purpose=purpose, status_list_index=str(index),
        status_list_credential=list_address(purpose),
    )  # fmt: skip


def list_address(purpose: str) -> str:
    """Where the list for that purpose is served."""
    return f"https://laurel.example/status/college-1/{purpose}"


def badge(issuer: Signer, status: Sequence[BitstringStatusListEntry] = ()) -> Document:
    """An unsigned Open Badge of 2.4 kB or so: several nodes without an id, Unicode beyond the BMP, escapes."""
    return to_document(
        OpenBadgeCredential(
            id=BADGE, name="Schweißen für Anfänger 🔧", description="Two days at the bench,\nwith a test at the end.",
            issuer=Profile(
                id=issuer.controller, name="Collège du Nord", url="https://college.example/",
                email="badges@college.example", description='The college "at the harbour", founded in 1908.',
            ),
            valid_from=CREATED, awarded_date=CREATED,
            credential_subject=AchievementSubject(
                identifier=(IdentityObject(identity_hash=hash_identity("ana@example.org", SALT), salt=SALT),),
                achievement=Achievement(
                    id="https://laurel.example/achievements/welding", name="Schweißen für Anfänger 🔧",
                    description="MIG and TIG welding of mild steel, with what has to be known to do it safely.",
                    criteria=Criteria(
                        id="https://college.example/welding",
                        narrative="Weld three joints that pass a bend test, and answer 18 of 20 questions on safety.",
                    ),
                    alignment=tuple(
                        Alignment(
                            target_name=name, target_framework="ESCO", target_type="ceasn:Competency",
                            target_url=f"http://data.europa.eu/esco/skill/{code}",
                        )
                        for name, code in (
                            ("perform metal active gas welding", "d1f4a4c5-f8c7-4fdf-a4e9-2f1d2d5ad0a1"),
                            ("perform tungsten inert gas welding", "0f1c8a3e-9f5b-47f4-a2f5-0a5f0a6e0f8c"),
                        )
                    ),
                    tag=("welding", "steel", "safety"), in_language="de",
                    creator=Profile(id="https://college.example/", name="Collège du Nord"),
                ),
                result=(Result(status="Completed", value="92"),),
            ),
            evidence=(
                Evidence(name="The joints", description="Photographs of the three joints.", genre="Photograph"),
                Evidence(id="https://college.example/evidence/7", name="The test", narrative="19 of 20."),
            ),
            credential_status=tuple(status),
        )
    )  # fmt: skip
