"""What is said of a badge beside its verification: its schemas, the profile, and whether it is somebody's."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import mutated_json
from fuzz.samples import Document, unsigned
from laurel.credentials.documents import check_size
from laurel.credentials.open_badges import check_profile
from laurel.credentials.recipients import recipient_matches
from laurel.credentials.schema_check import check_schemas
from laurel.credentials.schemas import SCHEMAS
from support.examples import VECTORS, example


@cache
def _badges() -> list[Document]:
    documents = [unsigned()[0], *(example(file.stem) for file in sorted(VECTORS.glob("*.json")))]
    schemas = [{"id": url, "type": "1EdTechJsonSchemaValidator2019"} for url in SCHEMAS]
    return [document | {"credentialSchema": schemas} for document in documents]


def _draw(random: Random) -> Any:
    return mutated_json(random, random.choice(_badges()), _badges())


def _run(given: Any) -> None:
    check_size(given)
    if isinstance(given, dict):
        check_schemas(given)
        check_profile(given)
        recipient_matches(given, "ada@example.org")


TARGETS = (Target("open-badge", _draw, _run),)
