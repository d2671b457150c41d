"""A world in which everything fits has no discrepancy; with one thing broken, exactly that one is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Code
from laurel.contracts.operations import Occasion
from laurel.contracts.status import State
from laurel.contracts.topics import (
    COMPLETIONS,
    CREDENTIALS,
    RECIPIENTS,
    STATUS_CHANGES,
    STATUS_LISTS,
    STATUS_REQUESTS,
    Topic,
)
from laurel.reconciliation import Facts, Kind, Why, compare, mailbox_of
from laurel.reconciliation.completions import place_of
from laurel.reconciliation.facts import Asked, Filing, Place, Position, Told
from support.facts import AT, END, End, Plan, attempted, credential, delivery, fitting, overdue, record, request

# A revoked and a suspended one are always there, so that whatever is broken has something to break.
plans = st.builds(
    Plan,
    states=st.lists(st.sampled_from(State), max_size=12).map(lambda more: (State.REVOKED, State.SUSPENDED, *more)),
    rejected=st.lists(
        st.sampled_from((Code.INVALID_FIELD, Code.DUPLICATE_EVENT, Code.EVENT_ID_REUSED)), min_size=1, max_size=5
    ).map(tuple),
    passed_over=st.integers(0, 3), requested=st.integers(0, 3), families=st.integers(1, 3), refused=st.integers(1, 3),
    ends=st.lists(st.sampled_from(End), max_size=6).map(lambda more: (End.SENT, End.SENT, *more)),
)  # fmt: skip

Break = Callable[[Facts, Plan], str]
BREAKS: dict[str, tuple[Kind, Break]] = {}
REVOKED, SUSPENDED = credential(0), credential(1)


def breaks(kind: Kind) -> Callable[[Break], Break]:
    """A function that breaks one thing and returns the subject under which that has to be found."""

    def enter(function: Break) -> Break:
        BREAKS[function.__name__] = (kind, function)
        return function

    return enter


def requested(id_: str) -> str:
    """The id of the event that tells of a credential which was asked for under an id of its own."""
    return derived_id("urn:vc-api", id_, "credential.issued")


def changed_filing(filing: Filing) -> Filing:
    return filing._replace(partner="forge")


@breaks(Kind.COMPLETION_LOST)
def a_decision_is_gone(facts: Facts, plan: Plan) -> str:
    name = record(len(plan.states))
    del facts.rejected[facts.rejections.pop(name).event_id]
    return name


@breaks(Kind.COMPLETION_LOST)
def a_completion_was_passed_and_nothing_came_of_it(facts: Facts, _: Plan) -> str:
    facts.completions[f"{COMPLETIONS.name}/2/999/abc"] = False
    return f"{COMPLETIONS.name}/2/999/abc"


@breaks(Kind.COMPLETION_DECIDED_TWICE)
def what_was_issued_was_also_refused(facts: Facts, plan: Plan) -> str:
    refused = next(iter(facts.rejections.values()))._replace(event_id="twice")
    facts.rejections[record(0)], facts.rejected["twice"] = refused, {refused.digest}
    return record(0)


@breaks(Kind.OUTCOME_UNEXPLAINED)
def a_completion_is_gone(facts: Facts, _: Plan) -> str:
    del facts.completions[record(0)]
    return record(0)


@breaks(Kind.INDEX_USED_TWICE)
def two_credentials_share_a_position(facts: Facts, plan: Plan) -> str:
    id_, shared = credential(len(plan.states) + 100), facts.intents[SUSPENDED].filing
    # One that does not show in the lists: neither registered nor with a status, since the registry has yet to see it.
    facts.intents[id_] = facts.intents[SUSPENDED]._replace(record=None, event=(None, "urn:vc-api", id_))
    facts.issued[id_] = facts.issued[SUSPENDED]._replace(
        places=(Place(0, END),), filing=shared._replace(achievement=None), event_id=requested(id_)
    )
    facts.intents[id_] = facts.intents[id_]._replace(filing=shared._replace(achievement=None))
    return f"{shared.position.family}/{shared.position.bit}"


@breaks(Kind.INDEX_OUTSIDE)
def a_position_lies_outside(facts: Facts, plan: Plan) -> str:
    id_ = credential(len(plan.states) + 100)
    filing = facts.intents[REVOKED].filing._replace(achievement=None, position=Position("north-0", 131_072))
    facts.intents[id_] = facts.intents[REVOKED]._replace(record=None, event=(None, "urn:vc-api", id_), filing=filing)
    facts.issued[id_] = facts.issued[REVOKED]._replace(places=(Place(0, END),), filing=filing,
                                                       event_id=requested(id_))  # fmt: skip
    return "north-0/131072"


@breaks(Kind.REJECTION_MISSING)
def a_rejection_was_never_told(facts: Facts, plan: Plan) -> str:
    name = record(len(plan.states))
    del facts.rejected[facts.rejections[name].event_id]
    return name


@breaks(Kind.REJECTION_UNEXPLAINED)
def a_rejection_is_told_that_nobody_decided(facts: Facts, _: Plan) -> str:
    facts.rejected["elsewhere"] = {b"digest"}
    return "elsewhere"


@breaks(Kind.REJECTION_DIFFERS)
def a_rejection_is_told_otherwise(facts: Facts, plan: Plan) -> str:
    event_id = facts.rejections[record(len(plan.states))].event_id
    facts.rejected[event_id].add(b"another")
    return event_id


@breaks(Kind.CREDENTIAL_DIFFERS)
def a_credential_was_published_in_two_forms(facts: Facts, _: Plan) -> str:
    facts.issued[REVOKED] = facts.issued[REVOKED]._replace(differing=True)
    return REVOKED


@breaks(Kind.CREDENTIAL_DIFFERS)
def the_issuer_decided_otherwise(facts: Facts, _: Plan) -> str:
    before = facts.intents[REVOKED]
    facts.intents[REVOKED] = before._replace(filing=changed_filing(before.filing))
    return REVOKED


@breaks(Kind.CREDENTIAL_UNEXPLAINED)
def nobody_decided_to_issue_it(facts: Facts, plan: Plan) -> str:
    id_ = "https://badges.example.org/credentials/forged"
    filing = facts.issued[REVOKED].filing._replace(achievement=None, position=Position("north-0", 131_071))
    facts.issued[id_] = facts.issued[REVOKED]._replace(places=(Place(0, END),), filing=filing)
    return id_


@breaks(Kind.REGISTRATION_MISSING)
def the_registry_lost_one(facts: Facts, plan: Plan) -> str:
    id_ = credential(0)
    del facts.registered[id_]
    # Its status is lost with it, or the status would be without a cause besides.
    _forget_status(facts, id_)
    return id_


def _forget_status(facts: Facts, id_: str) -> None:
    status = facts.statuses.pop(id_)
    name = f"{status.position.family}-revocation"
    bits = bytearray(facts.signed_lists[name].bits)
    bits[status.position.bit >> 3] ^= 0x80 >> (status.position.bit & 7)
    facts.signed_lists[name] = facts.signed_lists[name]._replace(bits=bytes(bits))
    family = facts.families[status.position.family]
    facts.families[status.position.family] = family._replace(bits={**family.bits, "revocation": bytes(bits)})
    row = delivery(id_, Occasion.REVOKED)
    del facts.deliveries[row], facts.told[row]


@breaks(Kind.REGISTRATION_UNEXPLAINED)
def the_registry_has_one_too_many(facts: Facts, _: Plan) -> str:
    id_ = "https://badges.example.org/credentials/forged"
    position = Position("north-0", 131_071)
    facts.registered[id_] = facts.registered[SUSPENDED]._replace(
        filing=facts.registered[SUSPENDED].filing._replace(position=position), state=State.ACTIVE
    )
    facts.statuses[id_] = facts.statuses[SUSPENDED]._replace(position=position, state=State.ACTIVE)
    return id_


@breaks(Kind.REGISTRATION_DIFFERS)
def a_document_was_tampered_with(facts: Facts, _: Plan) -> str:
    facts.registered[REVOKED] = facts.registered[REVOKED]._replace(digest="0" * 64)
    return REVOKED


@breaks(Kind.REGISTRATION_DIFFERS)
def a_noted_digest_was_tampered_with(facts: Facts, _: Plan) -> str:
    facts.registered[REVOKED] = facts.registered[REVOKED]._replace(noted="0" * 64)
    return REVOKED


@breaks(Kind.REGISTRATION_DIFFERS)
def it_is_filed_otherwise(facts: Facts, _: Plan) -> str:
    before = facts.registered[REVOKED]
    facts.registered[REVOKED] = before._replace(filing=changed_filing(before.filing))
    return REVOKED


@breaks(Kind.STATUS_MISSING)
def a_status_was_never_published(facts: Facts, _: Plan) -> str:
    _forget_status(facts, REVOKED)
    return REVOKED


@breaks(Kind.STATUS_DIFFERS)
def a_state_was_tampered_with(facts: Facts, _: Plan) -> str:
    facts.registered[REVOKED] = facts.registered[REVOKED]._replace(state=State.ACTIVE)
    return REVOKED


@breaks(Kind.STATUS_DIFFERS)
def a_version_was_tampered_with(facts: Facts, _: Plan) -> str:
    facts.registered[REVOKED] = facts.registered[REVOKED]._replace(version=9)
    return REVOKED


@breaks(Kind.STATUS_DIFFERS)
def a_history_was_tampered_with(facts: Facts, _: Plan) -> str:
    facts.registered[REVOKED] = facts.registered[REVOKED]._replace(history=b"another")
    return REVOKED


@breaks(Kind.STATUS_DIFFERS)
def a_history_ends_otherwise_than_its_row(facts: Facts, _: Plan) -> str:
    facts.registered[SUSPENDED] = facts.registered[SUSPENDED]._replace(consistent=False)
    return SUSPENDED


@breaks(Kind.HISTORY_NOT_IN_LOG)
def the_log_lacks_a_history(facts: Facts, _: Plan) -> str:
    facts.statuses[REVOKED] = facts.statuses[REVOKED]._replace(history=None)
    return REVOKED


@breaks(Kind.LIST_MISSING)
def the_registry_lacks_a_list(facts: Facts, _: Plan) -> str:
    del facts.stored_lists["north-0-revocation"]
    return "north-0-revocation"


@breaks(Kind.LIST_MISSING)
def the_registry_serves_an_old_list(facts: Facts, _: Plan) -> str:
    facts.stored_lists["north-0-revocation"] = facts.stored_lists["north-0-revocation"]._replace(version=2)
    return "north-0-revocation"


@breaks(Kind.LIST_DIFFERS)
def a_list_was_tampered_with(facts: Facts, _: Plan) -> str:
    facts.stored_lists["north-0-revocation"] = facts.stored_lists["north-0-revocation"]._replace(digest="0" * 64)
    return "north-0-revocation"


@breaks(Kind.LIST_DIFFERS)
def the_issuer_has_a_version_that_the_topic_lacks(facts: Facts, _: Plan) -> str:
    before = facts.signed_lists["north-0-suspension"]
    facts.signed_lists["north-0-suspension"] = before._replace(version=2)
    facts.stored_lists["north-0-suspension"] = facts.stored_lists["north-0-suspension"]._replace(version=2)
    return "north-0-suspension"


@breaks(Kind.LIST_UNEXPLAINED)
def a_list_is_served_that_nobody_signed(facts: Facts, _: Plan) -> str:
    facts.stored_lists["north-9-revocation"] = facts.stored_lists["north-0-revocation"]
    return "north-9-revocation"


def _flip(facts: Facts, name: str, bit: int) -> None:
    family, _, purpose = name.rpartition("-")
    bits = bytearray(facts.signed_lists[name].bits)
    bits[bit >> 3] ^= 0x80 >> (bit & 7)
    facts.signed_lists[name] = facts.signed_lists[name]._replace(bits=bytes(bits))
    facts.families[family] = facts.families[family]._replace(bits={**facts.families[family].bits, purpose: bytes(bits)})


@breaks(Kind.LIST_BIT_WRONG)
def a_revoked_ones_bit_is_clear(facts: Facts, _: Plan) -> str:
    family, bit = facts.statuses[REVOKED].position
    _flip(facts, f"{family}-revocation", bit)
    return f"{family}-revocation/{bit}"


@breaks(Kind.LIST_BIT_WRONG)
def a_suspended_ones_bit_is_also_set_for_revocation(facts: Facts, _: Plan) -> str:
    family, bit = facts.statuses[SUSPENDED].position
    _flip(facts, f"{family}-revocation", bit)
    return f"{family}-revocation/{bit}"


@breaks(Kind.LIST_BIT_WRONG)
def a_bit_is_set_that_belongs_to_nobody(facts: Facts, _: Plan) -> str:
    _flip(facts, "north-0-suspension", 131_070)
    return "north-0-suspension/131070"


@breaks(Kind.DELIVERY_MISSING)
def no_mail_was_planned(facts: Facts, _: Plan) -> str:
    row = delivery(REVOKED, Occasion.REVOKED)
    del facts.deliveries[row], facts.told[row]
    return f"revoked {REVOKED}"


@breaks(Kind.DELIVERY_DOUBLED)
def a_mail_was_planned_twice(facts: Facts, _: Plan) -> str:
    row = delivery(REVOKED, Occasion.ISSUED)
    facts.deliveries["another"], facts.told["another"] = facts.deliveries[row], facts.told[row]
    return f"issued {REVOKED}"


@breaks(Kind.DELIVERY_UNEXPLAINED)
def a_mail_was_planned_without_a_cause(facts: Facts, _: Plan) -> str:
    row = delivery(REVOKED, Occasion.ISSUED)
    facts.deliveries["another"], facts.told["another"] = facts.deliveries[row]._replace(credential="x"), facts.told[row]
    return "issued x"


@breaks(Kind.DELIVERY_STUCK)
def nobody_takes_up_a_mail(facts: Facts, _: Plan) -> str:
    row = delivery(SUSPENDED, Occasion.ISSUED)
    facts.deliveries[row] = facts.deliveries[row]._replace(
        state="open", attempts=attempted("deferred"), due_at=overdue()
    )
    facts.told[row] = {Told(1, succeeded=False)}
    return f"issued {SUSPENDED}"


@breaks(Kind.MAIL_DOUBLED)
def two_attempts_were_taken(facts: Facts, _: Plan) -> str:
    row = delivery(REVOKED, Occasion.ISSUED)
    facts.deliveries[row] = facts.deliveries[row]._replace(attempts=attempted("sent", "sent"))
    facts.told[row] = {Told(1, succeeded=True), Told(2, succeeded=True)}
    return row


@breaks(Kind.MAIL_UNREPORTED)
def a_mail_is_not_told_of(facts: Facts, _: Plan) -> str:
    row = delivery(REVOKED, Occasion.ISSUED)
    del facts.told[row]
    return row


@breaks(Kind.MAIL_UNEXPLAINED)
def a_mail_is_told_of_that_nobody_sent(facts: Facts, _: Plan) -> str:
    facts.told["elsewhere"] = {Told(1, succeeded=True)}
    return "elsewhere"


@breaks(Kind.ROW_UNREADABLE)
def a_row_cannot_be_read(facts: Facts, _: Plan) -> str:
    facts.broken_rows.add("laurel_registry.credentials/x")
    return "laurel_registry.credentials/x"


@given(plan=plans)
@settings(deadline=None, max_examples=40)
def test_where_everything_fits_nothing_is_found_and_the_balance_adds_up(plan: Plan) -> None:
    report = compare(fitting(plan))

    balance = report.balance
    assert (report.discrepancies, report.unfinished, report.settled) == ((), (), True)
    duplicates = sum(code is not Code.INVALID_FIELD for code in plan.rejected)
    assert (balance.issued, balance.duplicates) == (len(plan.states), duplicates)
    assert (balance.rejected, balance.passed_over) == (len(plan.rejected) - duplicates, plan.passed_over)
    assert balance.accounted == balance.published == len(plan.states) + len(plan.rejected) + plan.passed_over
    assert balance.requested == plan.requested
    changed = sum(state is not State.ACTIVE for state in plan.states)
    assert balance.requests == {"carried out": changed, "refused": plan.refused}
    ends = balance.mails_sent + balance.mails_failed + balance.mails_superseded + balance.mails_without_recipient
    assert ends == sum(balance.deliveries.values())


@pytest.mark.parametrize("name", BREAKS)
@given(plan=plans)
@settings(deadline=None, max_examples=8)
def test_with_one_thing_broken_exactly_that_is_found(name: str, plan: Plan) -> None:
    kind, break_one = BREAKS[name]
    facts = fitting(plan)

    subject = break_one(facts, plan)

    report = compare(facts)
    assert [(each.kind, each.subject) for each in report.discrepancies] == [(kind, subject)]
    assert report.balance.accounted == report.balance.published
    assert not report.balanced


def kinds(facts: Facts) -> set[Kind]:
    return {each.kind for each in compare(facts).discrepancies}


def test_a_second_credential_for_an_event_is_found() -> None:
    facts = fitting(Plan())
    event = facts.intents[REVOKED].event
    facts.intents[SUSPENDED] = facts.intents[SUSPENDED]._replace(event=event)
    event_id = derived_id(*event[1:], "credential.issued")
    facts.issued[SUSPENDED] = facts.issued[SUSPENDED]._replace(event_id=event_id)
    found = compare(facts).discrepancies
    assert {(each.kind, each.subject) for each in found} == {
        (Kind.EVENT_ISSUED_TWICE, REVOKED), (Kind.EVENT_ISSUED_TWICE, SUSPENDED),
    }  # fmt: skip


def test_a_credential_that_was_never_published_is_missing() -> None:
    facts = fitting(Plan())
    del facts.issued[REVOKED]
    assert Kind.CREDENTIAL_MISSING in kinds(facts)


def test_a_status_of_what_is_not_registered_is_found() -> None:
    facts = fitting(Plan())
    del facts.registered[REVOKED]
    assert kinds(facts) == {Kind.REGISTRATION_MISSING, Kind.STATUS_UNEXPLAINED}


# --- On its way, given up, deleted: none of these is lost ---


@pytest.mark.parametrize("way", ["waits", "given up", "deleted"])
def test_a_completion_that_waits_or_was_given_up_or_deleted_is_not_lost(way: str) -> None:
    plan = Plan()
    facts = fitting(plan)
    name = record(len(plan.states))
    place = place_of(name)
    del facts.rejected[facts.rejections.pop(name).event_id]
    if way == "waits":
        facts.committed["issuer", COMPLETIONS.name][place.partition] = place.offset
    elif way == "given up":
        facts.dead_letters["issuer", COMPLETIONS.name] = {place}
    else:
        del facts.completions[name]
    report = compare(facts)
    assert report.discrepancies == ()
    assert (report.balance.waiting, report.balance.dead_lettered) == (way == "waits", way == "given up")
    assert report.balance.accounted == report.balance.published
    assert report.settled == (way != "waits")
    assert [each.subject for each in report.unfinished] == ([] if way == "deleted" else [name])


def test_outcomes_of_completions_that_retention_deleted_are_counted_apart() -> None:
    facts = fitting(Plan())
    place = place_of(record(0))
    del facts.completions[record(0)]
    facts.begins[COMPLETIONS.name] = {place.partition: place.offset + 1}
    report = compare(facts)
    assert (report.discrepancies, report.balance.deleted_by_retention) == ((), 1)
    assert report.balance.issued == len(Plan().states) - 1


def test_rejections_that_retention_deleted_are_not_missing() -> None:
    facts = fitting(Plan())
    facts.rejected.clear()
    facts.rejected_since = AT + timedelta(seconds=1)
    report = compare(facts)
    assert (report.discrepancies, report.balance.rejections_deleted_by_retention) == ((), len(Plan().rejected))


def no_bit_was_set(facts: Facts) -> Place:
    a_revoked_ones_bit_is_clear(facts, Plan())
    return facts.statuses[REVOKED].place


def no_newer_list_was_kept(facts: Facts) -> Place:
    the_registry_serves_an_old_list(facts, Plan())
    return facts.signed_lists["north-0-revocation"].place


def nothing_was_registered(facts: Facts) -> Place:
    the_registry_lost_one(facts, Plan())
    del facts.requests[request(0)], facts.changes[request(0)]
    facts.asked = {key: asked for key, asked in facts.asked.items() if key[0] != request(0)}
    return facts.issued[REVOKED].places[0]


def no_mail_about_a_credential_was_planned(facts: Facts) -> Place:
    row = delivery(REVOKED, Occasion.ISSUED)
    del facts.deliveries[row], facts.told[row]
    return facts.issued[REVOKED].places[0]


def no_recipient_was_kept(facts: Facts) -> Place:
    del facts.recipients[REVOKED]
    return facts.recorded[REVOKED].places[0]


def no_request_was_accepted(facts: Facts) -> Place:
    del facts.requests["refused-0"]
    return asked(facts, "refused-0").places[0]


def no_request_was_decided(facts: Facts) -> Place:
    facts.requests["refused-0"] = facts.requests["refused-0"]._replace(refused=False)
    return asked(facts, "refused-0").places[0]


def asked(facts: Facts, id_: str) -> Asked:
    return next(each for (name, _), each in facts.asked.items() if name == id_)


@pytest.mark.parametrize(
    ("service", "topic", "undone", "stage"),
    [
        ("registry", CREDENTIALS, nothing_was_registered, "registering"),
        ("notifier", CREDENTIALS, no_mail_about_a_credential_was_planned, "planning a mail"),
        ("issuer", STATUS_CHANGES, no_bit_was_set, "setting a status bit"),
        ("registry", STATUS_LISTS, no_newer_list_was_kept, "keeping a status list"),
        ("registry", STATUS_REQUESTS, no_request_was_accepted, "accepting a status request"),
        ("registry", STATUS_REQUESTS, no_request_was_decided, "deciding a status request"),
        ("notifier", RECIPIENTS, no_recipient_was_kept, "keeping a recipient"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("why", list(Why))
def test_what_a_service_has_not_reached_or_gave_up_is_named_and_no_discrepancy(
    service: str, topic: Topic, undone: Callable[[Facts], Place], stage: str, why: Why
) -> None:
    facts = fitting(Plan())
    place = undone(facts)
    assert compare(facts).discrepancies
    if why is Why.WAITING:
        facts.committed[service, topic.name][place.partition] = place.offset
    else:
        facts.dead_letters[service, topic.name] = {place}
    report = compare(facts)
    assert report.discrepancies == ()
    assert {(each.stage, each.why) for each in report.unfinished} == {(stage, why)}


def test_what_was_stored_to_be_published_waits_for_a_while_and_is_then_missing() -> None:
    facts = fitting(Plan())
    facts.requests["on its way"] = facts.requests["refused-0"]._replace(partner=None, refused=False, accepted_at=AT)
    entry = facts.stored_catalog["partner/campus"]
    facts.stored_catalog["partner/campus"] = entry._replace(version=3, at=AT)
    report = compare(facts)
    assert report.discrepancies == ()
    assert {each.subject for each in report.unfinished} == {"on its way", "partner/campus"}
    facts.at = AT + facts.stuck_after + timedelta(seconds=1)
    report = compare(facts)
    assert {(each.kind, each.subject) for each in report.discrepancies} == {
        (Kind.REQUEST_LOST, "on its way"), (Kind.CATALOG_UNEXPLAINED, "partner/campus"),
    }  # fmt: skip


def test_requests_that_retention_deleted_are_counted_and_their_changes_need_no_row() -> None:
    facts = fitting(Plan())
    count = len(facts.requests)
    facts.asked.clear()
    facts.whole_since[STATUS_REQUESTS.name] = AT
    report = compare(facts)
    assert (report.discrepancies, report.balance.requests_deleted_by_retention) == ((), count)
    del facts.requests[request(0)]  # a registry that was made from the log has no rows for what the log forgot
    assert compare(facts).discrepancies == ()


def test_recipients_whose_time_is_over_or_that_the_topic_forgot_are_not_missing() -> None:
    facts = fitting(Plan())
    del facts.recorded[REVOKED]
    facts.whole_since[RECIPIENTS.name] = AT + timedelta(seconds=1)
    assert compare(facts).discrepancies == ()
    facts.recipients.clear()  # as where they are kept for a day
    facts.at = AT + timedelta(days=1)
    assert compare(facts).discrepancies == ()


def test_a_credential_without_a_recipient_waits_while_its_completion_is_in_hand() -> None:
    facts = fitting(Plan())
    del facts.recorded[SUSPENDED], facts.recipients[SUSPENDED]
    assert kinds(facts) == {Kind.RECIPIENT_MISSING}
    place = place_of(record(1))
    facts.committed["issuer", COMPLETIONS.name][place.partition] = place.offset
    report = compare(facts)
    assert (report.discrepancies, {each.stage for each in report.unfinished}) == ((), {"publishing a recipient"})


def test_a_discrepancy_that_is_gone_at_the_second_look_is_not_told() -> None:
    first, second = fitting(Plan()), fitting(Plan())
    a_state_was_tampered_with(first, Plan())
    the_registry_lacks_a_list(first, Plan())
    the_registry_lacks_a_list(second, Plan())
    a_bit_is_set_that_belongs_to_nobody(second, Plan())
    confirmed = compare(first).confirmed_by(compare(second))
    assert [each.kind for each in confirmed.discrepancies] == [Kind.LIST_MISSING]


# --- The mails themselves ---


def mailbox(facts: Facts) -> dict[str, int]:
    return mailbox_of(f"<{id_}@example.org>" for id_ in facts.deliveries)


def test_mails_that_came_once_each_fit() -> None:
    facts = fitting(Plan())
    facts.mailbox = mailbox(facts)
    report = compare(facts)
    assert (report.discrepancies, report.balance.mailbox, report.balance.repeated) == ((), len(facts.deliveries), 0)


@pytest.mark.parametrize(("times", "kind"), [(0, Kind.MAIL_MISSING), (2, Kind.MAIL_DOUBLED)])
def test_a_mail_that_came_never_or_twice_is_found(times: int, kind: Kind) -> None:
    facts = fitting(Plan())
    row = delivery(REVOKED, Occasion.ISSUED)
    facts.mailbox = mailbox(facts) | {row: times}
    assert [(each.kind, each.subject) for each in compare(facts).discrepancies] == [(kind, row)]


def test_a_mail_may_come_once_more_for_each_attempt_whose_end_is_not_known() -> None:
    facts = fitting(Plan())
    row = delivery(REVOKED, Occasion.ISSUED)
    facts.deliveries[row] = facts.deliveries[row]._replace(attempts=attempted(None, "sent"))
    facts.told[row] = {Told(2, succeeded=True)}
    facts.mailbox = mailbox(facts) | {row: 2}
    report = compare(facts)
    assert (report.discrepancies, report.balance.repeated, report.balance.perhaps_repeated) == ((), 1, 1)
    facts.mailbox = mailbox(facts) | {row: 3}
    assert kinds(facts) == {Kind.MAIL_DOUBLED}


def test_a_mail_of_no_delivery_is_found() -> None:
    facts = fitting(Plan())
    facts.mailbox = mailbox(facts) | {"elsewhere": 1}
    assert kinds(facts) == {Kind.MAIL_UNEXPLAINED}


def test_the_report_as_json_says_what_was_found() -> None:
    facts = fitting(Plan())
    a_state_was_tampered_with(facts, Plan())
    told = compare(facts).facts()
    assert (told["balanced"], told["balance"]["published"]) == (False, 7)
    assert told["discrepancies"][0]["kind"] == "status-differs"
