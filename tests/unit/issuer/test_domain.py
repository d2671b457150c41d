"""Whether a completion earns a credential: every reason against it, the order they are found in, and the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import orjson
import pytest

from issuer import domain
from laurel.contracts.catalog import Cryptosuite, IssuerKey, PartnerPublished
from laurel.contracts.catalog_index import CatalogIndex
from laurel.contracts.envelope import Envelope
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.signature import sign
from laurel.credentials.cryptosuites import CRYPTOSUITES
from laurel.credentials.keys import KeyType, SigningKey
from support.world import EPOCH, World, key

POLICY = domain.Policy(clock_skew=timedelta(minutes=2), oldest=timedelta(days=3650))
INTAKE = key("intake")
WORLD = World()


def catalog_of(world: World) -> CatalogIndex:
    index = CatalogIndex()
    for entry in world.published():
        index.add(entry)
    return index


@pytest.fixture
def catalog() -> CatalogIndex:
    return catalog_of(WORLD)


def decide(event: Envelope, catalog: CatalogIndex, now: datetime = EPOCH) -> domain.Accepted:
    sender = domain.authenticate(event, catalog, INTAKE.public, now)
    return domain.accept(event, sender, catalog, POLICY, now)


def changed(partner: PartnerPublished, **changes: object) -> PartnerPublished:
    return partner.model_copy(update={"version": partner.version + 1, **changes})


def good(**arguments: object) -> Envelope:
    return WORLD.completion("e-1", **arguments).event  # type: ignore[arg-type]


def resigned(event: Envelope, body: object) -> Envelope:
    return sign(replace(event, data=orjson.dumps(body)), WORLD.partners["campus"], "campus-1")


def body_without(name: str) -> object:
    body = orjson.loads(good().data)
    del body[name]
    return body


def vouched(partner: str | None) -> Envelope:
    return sign(replace(good(), extensions={}), INTAKE, domain.INTAKE_KID, partner=partner)


REFUSED: dict[str, tuple[Envelope, Code, str]] = {
    "another type": (replace(good(), type="completion.withdrawn"), Code.MALFORMED_EVENT, ""),
    "no signature": (replace(good(), extensions={}), Code.SIGNATURE_MISSING, ""),
    "a signature that is none": (replace(good(), extensions={"jws": "rubbish"}), Code.SIGNATURE_WRONG, ""),
    "another event's signature": (replace(good(), id="e-2"), Code.SIGNATURE_WRONG, ""),
    "another body": (replace(good(), data=good(learner=2).data), Code.SIGNATURE_WRONG, ""),
    "a stranger's key": (good(kid="stranger-1"), Code.UNKNOWN_KEY, ""),
    "another secret under a known kid": (good(signer=key("stranger")), Code.SIGNATURE_WRONG, ""),
    "vouched for by somebody else": (
        sign(replace(good(), extensions={}), key("stranger"), domain.INTAKE_KID, partner="campus"),
        Code.SIGNATURE_WRONG, "",
    ),
    "vouched for in nobody's name": (vouched(None), Code.UNKNOWN_KEY, ""),
    "vouched for in an unknown name": (vouched("nobody"), Code.UNKNOWN_KEY, ""),
    "not JSON": (
        sign(replace(good(), data=b"{not json"), WORLD.partners["campus"], "campus-1"), Code.MALFORMED_EVENT, "",
    ),
    "a field missing": (resigned(good(), body_without("learner")), Code.INVALID_FIELD, "/learner"),
    "an e-mail address that is none": (
        resigned(good(), orjson.loads(good().data.replace(b"learner1@", b"learner1"))),
        Code.INVALID_FIELD, "/learner/email",
    ),
    "an evidence address that cannot be signed": (
        resigned(good(), {**orjson.loads(good().data), "evidence": [{"url": "https://lms.example.org/?q={x}"}]}),
        Code.INVALID_FIELD, "/evidence/0/url",
    ),
    "a score that cannot be signed": (
        resigned(good(), {**orjson.loads(good().data), "score": "92\x7f"}), Code.INVALID_FIELD, "/score",
    ),
    "a source of nobody's": (good(source="https://elsewhere.example.org"), Code.SOURCE_NOT_REGISTERED, ""),
    "another partner's source": (good(source="https://forge.example.org/lms"), Code.SOURCE_NOT_REGISTERED, ""),
    "an unknown achievement": (good(achievement="juggling"), Code.UNKNOWN_ACHIEVEMENT, "/achievement"),
    "another partner's achievement": (good(achievement="robotics"), Code.ACHIEVEMENT_NOT_ALLOWED, "/achievement"),
    "a day ahead": (good(completed_at=EPOCH + timedelta(days=1)), Code.DATE_IN_FUTURE, "/completedAt"),
    "long ago": (good(completed_at=EPOCH - timedelta(days=5000)), Code.DATE_TOO_OLD, "/completedAt"),
}  # fmt: skip


@pytest.mark.parametrize(("event", "code", "pointer"), REFUSED.values(), ids=REFUSED)
def test_each_reason_has_its_code_its_pointer_and_a_sentence(
    event: Envelope, code: Code, pointer: str, catalog: CatalogIndex
) -> None:
    with pytest.raises(Rejected) as refusal:
        decide(event, catalog)
    assert (refusal.value.code, refusal.value.pointer) == (code, pointer)
    assert refusal.value.detail.endswith(".")
    assert "learner1" not in refusal.value.detail


@pytest.mark.parametrize("partner", ["campus"])
def test_what_the_intake_vouches_for_is_the_partners(partner: str, catalog: CatalogIndex) -> None:
    assert decide(vouched(partner), catalog).partner.id == partner


def test_a_good_event_is_accepted_for_the_member_that_owns_the_achievement(catalog: CatalogIndex) -> None:
    accepted = decide(good(achievement="python"), catalog)
    assert (accepted.partner.id, accepted.issuer.id, accepted.achievement.id) == ("campus", "south", "python")
    assert accepted.completion.learner.email == "learner1@example.org"
    assert domain.digest(accepted.event) == sha256(good(achievement="python").data).hexdigest()


def everything_wrong(**mended: object) -> Envelope:
    """An event against which there is everything that can be; each argument mends one."""
    faults: dict[str, object] = {
        "kid": "stranger-1", "signer": key("stranger"), "source": "https://elsewhere.example.org",
        "achievement": "juggling", "completed_at": EPOCH + timedelta(days=1),
    }  # fmt: skip
    return good(**faults | mended)


ORDER: list[tuple[Code, dict[str, object]]] = [
    (Code.UNKNOWN_KEY, {}),
    (Code.SIGNATURE_WRONG, {"kid": "campus-1"}),
    (Code.SOURCE_NOT_REGISTERED, {"signer": WORLD.partners["campus"]}),
    (Code.UNKNOWN_ACHIEVEMENT, {"source": "https://campus.example.org/lms"}),
    (Code.ACHIEVEMENT_NOT_ALLOWED, {"achievement": "robotics"}),
    (Code.DATE_IN_FUTURE, {"achievement": "welding"}),
]


@pytest.mark.parametrize("step", range(len(ORDER)), ids=[code.name for code, _ in ORDER])
def test_who_sent_it_is_asked_first_and_what_they_say_after(step: int, catalog: CatalogIndex) -> None:
    mended: dict[str, object] = {}
    for _, mend in ORDER[: step + 1]:
        mended |= mend
    with pytest.raises(Rejected) as refusal:
        decide(everything_wrong(**mended), catalog)
    assert refusal.value.code is ORDER[step][0]


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("completed_at", "code"),
    [
        (EPOCH, None),
        (EPOCH + POLICY.clock_skew, None),
        (EPOCH + POLICY.clock_skew + SECOND, Code.DATE_IN_FUTURE),
        (EPOCH - POLICY.oldest, None),
        (EPOCH - POLICY.oldest - SECOND, Code.DATE_TOO_OLD),
        (datetime.fromisoformat("1900-01-02T00:00:00+14:00"), Code.DATE_TOO_OLD),
        (datetime.fromisoformat("2900-12-30T23:59:59-14:00"), Code.DATE_IN_FUTURE),
    ],
)
def test_the_limits_of_a_completions_date(completed_at: datetime, code: Code | None, catalog: CatalogIndex) -> None:
    body = orjson.loads(good().data) | {"completedAt": completed_at.isoformat()}
    completion = domain.read_completion(resigned(good(), body))
    try:
        domain.check_dates(completion, POLICY, EPOCH)
        found = None
    except Rejected as refusal:
        found = refusal.code
    assert found is code


@pytest.mark.parametrize(
    ("retired", "code"),
    [
        (None, None),
        (EPOCH + SECOND, None),
        (EPOCH, Code.UNKNOWN_KEY),
        (EPOCH - SECOND, Code.UNKNOWN_KEY),
    ],
)
def test_a_partners_key_is_good_until_it_is_retired(
    retired: datetime | None, code: Code | None, catalog: CatalogIndex
) -> None:
    campus = catalog.partners["campus"]
    catalog.add(changed(campus, keys=tuple(each.model_copy(update={"retired": retired}) for each in campus.keys)))
    try:
        decide(good(), catalog)
        found = None
    except Rejected as refusal:
        found = refusal.code
    assert found is code


@pytest.mark.parametrize(
    ("reach", "code"),
    [(None, None), (("welding", "python"), None), (("python",), Code.ACHIEVEMENT_NOT_ALLOWED),
     ((), Code.ACHIEVEMENT_NOT_ALLOWED)],
)  # fmt: skip
def test_a_key_is_good_for_its_own_achievements_alone(
    reach: tuple[str, ...] | None, code: Code | None, catalog: CatalogIndex
) -> None:
    campus = catalog.partners["campus"]
    catalog.add(changed(campus, keys=tuple(each.model_copy(update={"achievements": reach}) for each in campus.keys)))
    assert decide(vouched("campus"), catalog).achievement.id == "welding", "our intake has looked at the key itself"
    if code is None:
        assert decide(good(), catalog).achievement.id == "welding"
        return
    with pytest.raises(Rejected) as refusal:
        decide(good(), catalog)
    assert (refusal.value.code, refusal.value.pointer) == (code, "/achievement")
    assert "The key that was used is not good for 'welding': use another key of Partner campus" in refusal.value.detail


def test_every_refusal_that_the_catalog_could_lift_is_asked_again(catalog: CatalogIndex) -> None:
    """What an empty catalog refuses and the full one accepts is what MAY_BE_STALE is for."""
    stages: list[Callable[[CatalogIndex], None]] = [
        lambda index: index.partners.clear(),
        lambda index: index.achievements.clear(),
        lambda index: index.issuers.clear(),
        lambda index: index.add(changed(index.partners["campus"], sources=("https://campus.example.org/old",))),
        lambda index: index.add(changed(index.partners["campus"], achievements=())),
        lambda index: index.add(
            changed(
                index.partners["campus"],
                keys=tuple(
                    each.model_copy(update={"public_key_multibase": key("old").public.to_multibase()})
                    for each in index.partners["campus"].keys
                ),
            )
        ),
    ]
    codes = set()
    for withhold in stages:
        index = catalog_of(WORLD)
        withhold(index)
        with pytest.raises(Rejected) as refusal:
            decide(good(), index)
        codes.add(refusal.value.code)
    assert codes == domain.MAY_BE_STALE


@pytest.mark.parametrize(
    ("event", "senders"),
    [
        (good(), ["campus"]),
        (good(source="https://forge.example.org/lms"), ["campus", "forge"]),
        (good(kid="stranger-1"), ["campus"]),
        (good(kid="stranger-1", source="https://elsewhere.example.org"), []),
        (replace(good(), extensions={}), ["campus"]),
        (vouched("forge"), ["forge", "campus"]),
        (vouched("no partner of ours"), ["campus"]),
    ],
)
def test_who_may_have_sent_an_event_goes_by_its_claims(
    event: Envelope, senders: list[str], catalog: CatalogIndex
) -> None:
    assert domain.possible_senders(event, catalog) == senders


def test_possible_senders_include_the_owner_of_a_retired_key(catalog: CatalogIndex) -> None:
    campus = catalog.partners["campus"]
    retired = tuple(each.model_copy(update={"retired": datetime(2020, 1, 1, tzinfo=UTC)}) for each in campus.keys)
    catalog.add(changed(campus, keys=retired, sources=("https://campus.example.org/new",)))
    assert domain.possible_senders(good(), catalog) == ["campus"]


A, B, C = (key(name).public.to_multibase() for name in "abc")


@pytest.mark.parametrize(
    ("keys", "held", "chosen"),
    [
        ([(A, None)], {A}, A),
        ([(A, None)], set(), None),
        ([(A, None), (B, None)], {A, B}, A),
        ([(A, None), (B, None)], {B}, B),
        ([(A, EPOCH), (B, None)], {A, B}, B),
        ([(A, EPOCH + SECOND), (B, None)], {A, B}, A),
        ([(A, EPOCH), (B, EPOCH)], {A, B}, None),
        ([(A, EPOCH), (B, None)], {A, C}, None),
    ],
)
def test_the_first_key_that_is_in_use_and_held_signs(
    keys: list[tuple[str, datetime | None]], held: set[str], chosen: str | None, catalog: CatalogIndex
) -> None:
    listed = tuple(IssuerKey(public_key_multibase=multikey, retired=retired) for multikey, retired in keys)
    issuer = catalog.issuers["north"].model_copy(update={"keys": listed})
    assert domain.active_key(issuer, held.__contains__, EPOCH) == chosen


@pytest.mark.parametrize("suite", [None, *Cryptosuite])
def test_only_a_key_that_fits_the_members_suite_signs(suite: Cryptosuite | None, catalog: CatalogIndex) -> None:
    keys = {each: SigningKey.generate(each).public.to_multibase() for each in (KeyType.P384, KeyType.ED25519)}
    listed = tuple(IssuerKey(public_key_multibase=multikey) for multikey in keys.values())
    issuer = catalog.issuers["north"].model_copy(update={"keys": listed, "cryptosuite": suite})
    wanted = KeyType.ED25519 if suite is None or suite.startswith("eddsa") else KeyType.P384
    assert domain.active_key(issuer, set(keys.values()).__contains__, EPOCH) == keys[wanted]
    assert domain.active_key(issuer, (set(keys.values()) - {keys[wanted]}).__contains__, EPOCH) is None


def test_the_catalogs_suites_are_those_that_sign() -> None:
    assert {each.value: frozenset(each.key_types) for each in Cryptosuite} == {
        name: suite.key_types for name, suite in CRYPTOSUITES.items()
    }
