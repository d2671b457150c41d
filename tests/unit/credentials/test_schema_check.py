"""Which schemas are known, what they say of the specification's examples and of wrong ones, and how long it takes."""

import hashlib
import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials import schemas
from laurel.credentials.documents import MAX_BYTES
from laurel.credentials.schema_check import SchemaFinding, check_schemas
from laurel.credentials.schemas import SCHEMAS
from support.examples import REMOVED, VECTORS, changed, example

Document = dict[str, Any]
FOLDER = Path(schemas.__file__).parent
OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json"
ACHIEVEMENT = f"{OPEN_BADGES}/ob_v3p0_achievementcredential_schema.json"
ENDORSEMENT = f"{OPEN_BADGES}/ob_v3p0_endorsementcredential_schema.json"
DECLARED = {"id": ACHIEVEMENT, "type": "1EdTechJsonSchemaValidator2019"}
SUBJECT = "/credentialSubject"
EARNED = f"{SUBJECT}/achievement"


def declaring(document: Document, *entries: Any) -> Document:
    return {**document, "credentialSchema": list(entries) or [DECLARED]}


def only(document: Document) -> SchemaFinding:
    [finding] = check_schemas(document)
    return finding


def test_the_bundled_schemas_are_the_published_ones() -> None:
    rows = re.findall(
        r"^\| (\S+\.json) \| (\S+) \|.*\| (\d+) \| ([0-9a-f]{64}) \|$", (FOLDER / "SOURCES.md").read_text(), re.M
    )
    assert {row[0] for row in rows} == {path.name for path in FOLDER.glob("*.json")}
    for file, url, size, digest in rows:
        raw = (FOLDER / file).read_bytes()
        assert (len(raw), hashlib.sha256(raw).hexdigest()) == (int(size), digest)
        assert json.loads(raw)["$id"] == url
        assert SCHEMAS[url].raw == raw


def test_the_examples_are_the_ones_named() -> None:
    rows = re.findall(r"^\| (\S+\.json) \|.*\| ([0-9a-f]{64}) \|$", (VECTORS / "SOURCES.md").read_text(), re.M)
    assert {row[0] for row in rows} == {path.name for path in VECTORS.glob("*.json")}
    for file, digest in rows:
        assert hashlib.sha256((VECTORS / file).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", ["basic", "complete"])
def test_the_examples_of_the_specification_conform(name: str) -> None:
    finding = only(declaring(example(name)))
    assert (finding.outcome, finding.code, finding.pointer) == ("valid", None, "")


def test_what_laurel_issues_conforms(badge: Callable[[], Document], signed: Document) -> None:
    # One status entry: the schema has no list there, though two purposes need two entries. See the test below.
    for document in (badge(), signed):
        first = {**document, "credentialStatus": document["credentialStatus"][0]}
        assert only(declaring(first)).outcome == "valid"


def test_an_embedded_endorsement_conforms_to_the_schema_of_endorsements() -> None:
    endorsement = example("complete")["endorsement"][0]
    finding, other = check_schemas(endorsement)
    assert (finding.schema, finding.outcome) == (ENDORSEMENT, "valid")
    assert (other.schema, other.outcome) == ("https://accrediter.edu/schema/endorsementcredential.json", "unknown")
    without = check_schemas(changed(endorsement, "/credentialSubject/id", REMOVED))[0]
    assert (without.outcome, without.pointer) == ("invalid", "/credentialSubject/id")
    # And not to that of badges.
    assert only(declaring(endorsement)).outcome == "invalid"


# Each: where the complete example is changed, to what, where the schema says it goes wrong, and a word it says.
VIOLATIONS: list[tuple[str, Any, str, str]] = [
    *[(f"/{n}", REMOVED, f"/{n}", f"member {n}") for n in ("@context", "id", "type", "issuer", "validFrom")],
    (SUBJECT, REMOVED, SUBJECT, "missing"),
    ("/@context/0", "https://www.w3.org/2018/credentials/v1", "/@context/0", "https://www.w3.org/ns/credentials/v2"),
    ("/@context/1", "https://evil.example/context.json", "/@context/1", "form"),
    ("/type", ["VerifiableCredential"], "/type", "OpenBadgeCredential"),
    ("/type", ["OpenBadgeCredential"], "/type", "VerifiableCredential"),
    ("/id", 3, "/id", "text"),
    ("/validFrom", "2010-01-01", "/validFrom", "time zone"),
    ("/awardedDate", "2010-13-01T00:00:00Z", "/awardedDate", "time zone"),
    ("/issuer/id", REMOVED, "/issuer/id", "missing"),
    ("/issuer/type", ["Person"], "/issuer/type", "Profile"),
    ("/issuer/address/geo/latitude", "north", "/issuer/address/geo/latitude", "number"),
    ("/issuer/otherIdentifier/1/extra", 1, "/issuer/otherIdentifier/1/extra", "extra"),
    (f"{SUBJECT}/type", ["Person"], f"{SUBJECT}/type", "AchievementSubject"),
    (f"{SUBJECT}/identifier/0/hashed", "no", f"{SUBJECT}/identifier/0/hashed", "true or false"),
    (f"{SUBJECT}/creditsEarned", "42", f"{SUBJECT}/creditsEarned", "number"),
    (f"{SUBJECT}/result/2/status", "Done", f"{SUBJECT}/result/2/status", "Withdrew"),
    (EARNED, REMOVED, EARNED, "missing"),
    *[
        (f"{EARNED}/{n}", REMOVED, f"{EARNED}/{n}", "missing")
        for n in ("id", "type", "name", "description", "criteria")
    ],
    (f"{EARNED}/achievementType", "Medal", f"{EARNED}/achievementType", "Achievement"),
    (f"{EARNED}/alignment/1/targetUrl", REMOVED, f"{EARNED}/alignment/1/targetUrl", "missing"),
    (f"{EARNED}/alignment/0/type", [], f"{EARNED}/alignment/0/type", "empty"),
    (f"{EARNED}/name", {"english": "Degree"}, f"{EARNED}/name", "form"),
    (f"{EARNED}/name", {"en": 3}, f"{EARNED}/name/en", "text"),
    ("/issuer", {"id": "urn:x", "name": "A"}, "/issuer/type", "missing"),
    ("/issuer", {"id": 3, "type": ["Profile"]}, "/issuer/id", "text"),
    (f"{EARNED}/image", "https://1edtech.edu/image", f"{EARNED}/image", "object"),
    (f"{EARNED}/resultDescription/0/resultType", "Mark", f"{EARNED}/resultDescription/0/resultType", "LetterGrade"),
    (f"{EARNED}/creator/endorsement/1/name", REMOVED, f"{EARNED}/creator/endorsement/1/name", "missing"),
    ("/endorsement/0/proof/0/created", "May", "/endorsement/0/proof/0/created", "time zone"),
    ("/endorsementJwt", ["a.b.c", "a.b"], "/endorsementJwt/1", "form"),
    ("/proof", [{"cryptosuite": "eddsa-rdfc-2022"}], "/proof/0/type", "missing"),
    ("/credentialStatus", [{"id": "urn:x", "type": "BitstringStatusListEntry"}], "/credentialStatus", "object"),
]


@pytest.mark.parametrize(("place", "value", "pointer", "word"), VIOLATIONS)
def test_the_culprit_is_named(place: str, value: Any, pointer: str, word: str) -> None:
    document = changed(example("complete"), place, value)
    finding = only(document)
    assert (finding.outcome, finding.code) == ("invalid", "SCHEMA_VIOLATION")
    assert finding.pointer == pointer
    assert word in finding.detail


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, value, *_ in VIOLATIONS])
def test_a_second_validator_refuses_the_same(place: str, value: Any) -> None:
    checker = jsonschema.Draft201909Validator.FORMAT_CHECKER
    # That package checks date-time only with a further one installed, so dates are left to the table above.
    second = jsonschema.Draft201909Validator(SCHEMAS[ACHIEVEMENT].document, format_checker=checker)
    document = changed(example("complete"), place, value)
    is_date = place.endswith(("Date", "validFrom", "created")) and value is not REMOVED
    assert second.is_valid(example("complete"))
    assert second.is_valid(document) == ("date-time" not in checker.checkers and is_date)


def test_one_value_serves_where_a_list_is_due() -> None:
    document = example("complete")
    for name in ("endorsement", "evidence", "credentialSchema"):
        document[name] = document[name][0]
    document["issuer"]["type"] = "Profile"
    document["proof"] = {"type": "DataIntegrityProof"}
    assert only(document).outcome == "valid"


@pytest.mark.parametrize("kind", ["1EdTechJsonSchemaValidator2019", "JsonSchema"])
@pytest.mark.parametrize("folder", ["json", "json-ld"])
def test_known_schemas_go_by_every_address_and_type(kind: str, folder: str) -> None:
    url = ACHIEVEMENT.replace("/json/", f"/{folder}/")
    assert only(declaring(example("basic"), {"id": url, "type": kind})).outcome == "valid"


@pytest.mark.parametrize(
    ("entry", "code", "place"),
    [
        ({"id": "https://evil.example/schema.json", "type": "JsonSchema"}, "SCHEMA_UNKNOWN", "/id"),
        ({"id": "http://" + ACHIEVEMENT.removeprefix("https://"), "type": "JsonSchema"}, "SCHEMA_UNKNOWN", "/id"),
        ({"id": f"{ACHIEVEMENT}#", "type": "JsonSchema"}, "SCHEMA_UNKNOWN", "/id"),
        ({"id": [ACHIEVEMENT], "type": "JsonSchema"}, "SCHEMA_UNKNOWN", "/id"),
        ({"type": "JsonSchema"}, "SCHEMA_UNKNOWN", "/id"),
        ({"id": ACHIEVEMENT, "type": "JsonSchemaCredential"}, "SCHEMA_TYPE_UNSUPPORTED", "/type"),
        ({"id": ACHIEVEMENT}, "SCHEMA_TYPE_UNSUPPORTED", "/type"),
        ({"id": ACHIEVEMENT, "type": ["JsonSchema"]}, "SCHEMA_TYPE_UNSUPPORTED", "/type"),
        ("https://evil.example/schema.json", "SCHEMA_TYPE_UNSUPPORTED", "/type"),
        (None, "SCHEMA_TYPE_UNSUPPORTED", "/type"),
        ({**DECLARED, "digestSRI": "sha256-" + "A" * 43 + "="}, "SCHEMA_VERSION_UNKNOWN", "/digestSRI"),
        ({**DECLARED, "digestSRI": ["sha256"]}, "SCHEMA_VERSION_UNKNOWN", "/digestSRI"),
        ({**DECLARED, "id": ENDORSEMENT, "digestSRI": "sha256-x"}, "SCHEMA_VERSION_UNKNOWN", "/digestSRI"),
    ],
)
def test_what_is_not_known_is_unknown(entry: Any, code: str, place: str) -> None:
    finding = only(declaring(example("basic"), entry))
    assert (finding.outcome, finding.code, finding.pointer) == ("unknown", code, f"/credentialSchema/0{place}")


def test_a_pinned_schema_is_known_by_its_digest() -> None:
    raw = SCHEMAS[ACHIEVEMENT].raw or b""
    pinned = "sha384-" + b64encode(hashlib.sha384(raw).digest()).decode()
    assert only(declaring(example("basic"), {**DECLARED, "digestSRI": f"sha256-x {pinned}"})).outcome == "valid"


def test_a_credential_without_a_schema_has_no_findings() -> None:
    assert check_schemas(example("basic")) == []


def test_each_declared_schema_is_told_of_and_not_more_than_eight() -> None:
    findings = check_schemas(declaring(example("basic"), *[DECLARED] * 1000))
    assert [finding.outcome for finding in findings] == ["valid"] * 8 + ["unknown"]
    assert findings[-1].pointer == "/credentialSchema/8"


def test_a_single_declaration_need_not_be_a_list() -> None:
    assert only({**example("basic"), "credentialSchema": DECLARED}).outcome == "valid"
    unknown = only({**example("basic"), "credentialSchema": {"id": "urn:x", "type": "JsonSchema"}})
    assert unknown.pointer == "/credentialSchema/id"


def endorsements(depth: int) -> Document:
    endorsement = example("complete")["endorsement"][0]
    for _ in range(depth):
        issuer = {**endorsement["issuer"], "endorsement": [endorsement]}
        endorsement = {**endorsement, "name": 3, "issuer": issuer}
    return {**example("basic"), "endorsement": [endorsement]}


def nested(depth: int) -> Document:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return {**example("basic"), "extra": value}


HOSTILE: dict[str, Document] = {
    "many wrong items": {**example("basic"), "proof": [{}] * 300_000},
    "many right items": {**example("basic"), "evidence": [{"type": ["Evidence"]}] * 40_000},
    "many contexts": {**example("basic"), "@context": [*example("basic")["@context"], *[{"a": "b"}] * 60_000]},
    "many types": {**example("basic"), "type": [*example("basic")["type"], *["x"] * 200_000]},
    "a long text that nearly matches": {**example("basic"), "endorsementJwt": ["a" * 1_000_000]},
    "a long context that nearly matches": {
        **example("basic"),
        "@context": [
            example("basic")["@context"][0],
            "https://purl.imsglobal.org/spec/ob/v3p0/context" + "-3.0.3" * 160_000 + "!",
        ],
    },
    "deep endorsements": endorsements(15),
    "deep lists": nested(900),
    "many members": {**example("basic"), "issuer": {str(number): "x" for number in range(80_000)}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_judged_in_bounded_time(name: str) -> None:
    document = declaring(HOSTILE[name])
    assert len(json.dumps(document)) < 2 * MAX_BYTES
    only(declaring(example("basic")))
    started = time.process_time()
    only(document)
    # Some tens of milliseconds each; without the bounds, six of these take from one second to twenty.
    assert time.process_time() - started < 1


def test_a_schema_named_often_is_judged_once() -> None:
    def spent(times: int) -> float:
        document = declaring({**example("basic"), "evidence": [{"type": []}] * 600}, *[DECLARED] * times)
        started = time.process_time()
        assert {finding.outcome for finding in check_schemas(document)} == {"invalid"}
        return time.process_time() - started

    spent(1)
    assert min(spent(8) for _ in range(3)) < 4 * max(spent(1) for _ in range(3))


def test_nothing_of_the_document_is_told_but_names_of_members() -> None:
    secret = changed(example("complete"), f"{SUBJECT}/identifier/0/hashed", "ada@example.org")
    assert "ada" not in only(secret).detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = sorted({place for place, *_ in VIOLATIONS if place not in ("/awardedDate", "/endorsementJwt", "/proof")})


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_anywhere_the_answer_is_a_finding_with_a_pointer_to_it(place: str, value: Any) -> None:
    finding = only(declaring(changed(example("complete"), place, value)))
    assert finding.outcome in ("valid", "invalid")
    # The culprit is what was changed, something in it, or what holds it.
    steps, changed_steps = finding.pointer.split("/"), place.split("/")
    shared = min(len(steps), len(changed_steps))
    assert finding.outcome == "valid" or steps[:shared] == changed_steps[:shared]


@settings(deadline=None, max_examples=60)
@given(JSON)
def test_no_declaration_breaks_the_check(value: Any) -> None:
    for finding in check_schemas({**example("basic"), "credentialSchema": value}):
        assert finding.outcome == "unknown"
