"""What the tests ask for through the VC-API."""

from __future__ import annotations

from typing import Any

from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES
from support.world import World

URN = "urn:uuid:5d2c7a1e-0f4b-4a53-9a43-1f0c7be11111"


def wish(world: World, member: str = "north", **changes: Any) -> dict[str, Any]:
    """A credential of another kind than completions earn."""
    return {
        "@context": [CREDENTIALS_V2, OPEN_BADGES], "id": URN, "type": ["VerifiableCredential", "EndorsementCredential"],
        "issuer": world.did(member), "name": "A recommendation", "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "https://school.example.org/course", "type": ["EndorsementSubject"],
                              "endorsementComment": "Rather <b>good</b>"},
        **changes,
    }  # fmt: skip
