"""The credential that is built: what it says, and what it keeps to itself."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer import domain
from issuer.derivation import LIST_LENGTH, Derivation
from laurel.contracts.catalog import AchievementPublished, IssuerPublished
from laurel.contracts.completions import CompletionEvidence, CompletionRecorded, Learner
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.envelope import Envelope
from laurel.credentials.canonical import canonicalize
from laurel.credentials.lint import lint
from laurel.credentials.model import hash_identity
from support.world import EPOCH, World

WORLD = World()
ISSUERS = {each.id: each for each in WORLD.published() if isinstance(each, IssuerPublished)}
ACHIEVEMENTS = {each.id: each for each in WORLD.published() if isinstance(each, AchievementPublished)}
CAMPUS = next(each for each in WORLD.published() if each.id == "campus")
LEARNER = Learner(reference="matriculation-88", name="Ana Lima", email="Ana.Lima@Example.org", language="de")
ID = WORLD.addresses.credential("token")
POSITION = StatusPosition(family="north-0", index=4711)
SALT = Derivation("a master key").salt(ID)
HASH = hash_identity("ana.lima@example.org", SALT)


def built(
    achievement: AchievementPublished = ACHIEVEMENTS["welding"], learner: Learner = LEARNER, score: str | None = None,
    evidence: tuple[CompletionEvidence, ...] = (), position: StatusPosition = POSITION,
) -> dict[str, object]:  # fmt: skip
    completion = CompletionRecorded(
        achievement=achievement.id, learner=learner, completed_at=EPOCH - timedelta(days=3), score=score,
        evidence=evidence,
    )  # fmt: skip
    event = Envelope("e-1", "https://campus.example.org/lms", domain.EVENT_TYPE, completion.to_bytes())
    accepted = domain.Accepted(event, CAMPUS, ISSUERS[achievement.issuer], achievement, completion)  # type: ignore[arg-type]
    return domain.build_credential(accepted, WORLD.addresses, ID, position, SALT, EPOCH)


def test_it_says_who_awarded_what_and_when() -> None:
    document = built(score="92 %", evidence=(CompletionEvidence(url="https://campus.example.org/work/1", name="Work"),))
    lint(document)
    assert document["id"] == ID
    assert document["issuer"] == {
        "id": WORLD.did("north"), "type": ["Profile"], "name": "Member north", "url": "https://north.example.org",
        "email": "hello@north.example.org",
    }  # fmt: skip
    assert (document["validFrom"], document["awardedDate"]) == ("2026-06-01T12:00:00Z", "2026-05-29T12:00:00Z")
    subject = document["credentialSubject"]
    assert isinstance(subject, dict)
    assert subject["achievement"]["id"] == WORLD.addresses.achievement("welding")
    assert subject["achievement"]["alignment"][0]["targetUrl"] == "http://data.europa.eu/esco/skill/welding"
    assert subject["result"] == [{"type": ["Result"], "value": "92 %"}]
    assert document["evidence"] == [{"id": "https://campus.example.org/work/1", "type": ["Evidence"], "name": "Work"}]


def test_it_names_no_learner() -> None:
    text = orjson.dumps(built()).decode().lower()
    for personal in ("ana", "lima", "matriculation", "88", "@example.org", "e-1"):
        assert personal not in text.replace("hello@north.example.org", "").replace(SALT, "").replace(HASH, "")


def test_who_knows_the_address_recognises_the_subject_however_it_is_written() -> None:
    documents = [
        built(learner=LEARNER.model_copy(update={"email": each})) for each in (LEARNER.email, LEARNER.email.upper())
    ]
    identities = [document["credentialSubject"]["identifier"][0] for document in documents]  # type: ignore[index]
    assert identities[0] == identities[1]
    assert identities[0]["identityHash"] == HASH
    assert identities[0]["salt"] == SALT


@pytest.mark.parametrize(
    ("days", "until"),
    [(None, None), (1, "2026-06-02T12:00:00Z"), (730, "2028-05-31T12:00:00Z"), (36525, "2126-06-02T12:00:00Z")],
)
def test_it_is_valid_for_as_long_as_the_achievement_says(days: int | None, until: str | None) -> None:
    document = built(ACHIEVEMENTS["welding"].model_copy(update={"valid_for_days": days}))
    assert document.get("validUntil") == until


def test_it_has_a_status_entry_for_each_purpose_at_the_same_index() -> None:
    assert built()["credentialStatus"] == [
        {
            "id": f"{ID}#{purpose}", "type": "BitstringStatusListEntry", "statusPurpose": purpose,
            "statusListIndex": "4711", "statusListCredential": f"{WORLD.public_url}/status-lists/north-0-{purpose}",
        }
        for purpose in ("revocation", "suspension")
    ]  # fmt: skip


# Texts as the contract takes them: it strips them, and a line has no line break in it.
_CHARS = st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32)), "\x7f"])
_LINE = st.text(_CHARS, min_size=1, max_size=40).map(str.strip).filter(bool)
_TEXT = st.text(_CHARS | st.sampled_from("\n\t"), min_size=1, max_size=80).map(str.strip).filter(bool)
_URL = st.text("abc/?&=.%20-_~:;,+#üé中", max_size=30).map(lambda tail: f"https://example.org/{tail}")


def _valid(url: str) -> bool:
    try:
        CompletionEvidence(url=url)
    except ValueError:
        return False
    return True


_GOOD_URL = _URL.filter(_valid)
_EVIDENCE = st.fixed_dictionaries({"url": _GOOD_URL, "name": st.none() | _LINE, "narrative": st.none() | _TEXT})
_ALIGNMENTS = st.fixed_dictionaries(
    {
        "target_name": _LINE, "target_url": _GOOD_URL, "target_framework": st.none() | _LINE,
        "target_code": st.none() | _LINE, "target_type": st.none() | st.sampled_from(["ceasn:Competency", "CFItem"]),
    }
)  # fmt: skip


@given(
    name=_LINE, text=_TEXT, tags=st.lists(_LINE, max_size=3), evidence=st.lists(_EVIDENCE, max_size=3),
    alignments=st.lists(_ALIGNMENTS, max_size=2), score=st.none() | _LINE,
    language=st.sampled_from(["en", "de", "pt-BR", "zh-Hans", "gsw"]), index=st.integers(0, LIST_LENGTH - 1),
    kind=st.sampled_from(["MicroCredential", "Course", "Certificate", "ext:LanguageLevel"]),
)  # fmt: skip
def test_whatever_the_contracts_let_in_can_be_signed(
    name: str, text: str, tags: list[str], evidence: list[dict[str, str | None]],
    alignments: list[dict[str, str | None]], score: str | None, language: str, index: int, kind: str,
) -> None:  # fmt: skip
    """A partner could otherwise stop the issuer with events that pass every check and fail at the end."""
    offered = ACHIEVEMENTS["welding"].model_dump() | {
        "name": name, "description": text, "criteria": text, "tags": tags, "language": language,
        "achievement_type": kind, "alignments": alignments,
    }  # fmt: skip
    document = built(
        AchievementPublished.model_validate(offered), score=score,
        evidence=tuple(CompletionEvidence.model_validate(each) for each in evidence),
        position=POSITION.model_copy(update={"index": index}),
    )  # fmt: skip
    lint(document)
    canonicalize(document)
