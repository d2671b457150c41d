"""Kafka's rules follow from the catalogue, and the document from the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from laurel.contracts.access import (
    ADMIN,
    FILE,
    OPERATOR,
    SERVICES,
    grants,
    is_ours,
    main,
    partner_user,
    rendered,
    service_user,
)
from laurel.contracts.topics import COMPLETIONS, STATUS_REQUESTS, TOPICS
from laurel.runtime.kafka.records import group_of

ROOT = Path(__file__).parents[3]


def test_the_document_in_the_repository_is_the_catalogue_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--file", str(ROOT / FILE)]) == 0
    assert capsys.readouterr().err == ""


def test_a_document_that_is_not_is_found_and_written_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kafka" / "acls.md"
    assert main(["--check", "--file", str(file)]) == 1
    assert main(["--file", str(file)]) == 0
    file.write_text(file.read_text().replace("Read", "Write", 1))
    assert main(["--check", "--file", str(file)]) == 1
    assert "is not what the catalogue says" in capsys.readouterr().err
    assert main(["--file", str(file)]) == main(["--check", "--file", str(file)]) == 0
    assert file.read_text() == rendered()


def test_every_writer_and_reader_has_its_right_and_there_is_no_other_right_on_a_topic() -> None:
    made = {(each.user, each.operation, each.name) for each in grants(["campus"]) if each.resource == "topic"}
    users = {service: service_user(service) for service in SERVICES} | {"partners": partner_user("campus")}
    said = {
        *((users[who], "Write", topic.name) for topic in TOPICS for who in topic.writers if who != "operators"),
        *((users[who], "Read", topic.name) for topic in TOPICS for who in topic.readers if who != "operators"),
    }
    assert {each for each in made if each[0] != OPERATOR} == said
    assert {name for user, verb, name in made if user == OPERATOR and verb == "Read"} == {each.name for each in TOPICS}
    written = {name for user, verb, name in made if user == OPERATOR and verb == "Write"}
    assert {each.name for each in TOPICS if "operators" in each.writers} <= written


def test_a_partner_may_report_and_ask_for_a_status_and_nothing_else() -> None:
    of_one = {each for each in grants(["campus", "forge"]) if each.user == "partner-campus"}
    assert {(each.resource, each.name, each.operation, each.prefixed) for each in of_one} == {
        ("topic", topic.name, "Write", False) for topic in (COMPLETIONS, STATUS_REQUESTS)
    }


def test_a_service_s_groups_are_its_own() -> None:
    for each in grants([]):
        if each.resource == "group" and each.operation == "Read":
            assert each.prefixed
            of = {service for service in SERVICES if group_of(service, "any.v1").startswith(each.name)}
            assert {service_user(service) for service in of} == {each.user}


def test_nobody_s_name_is_another_s_beginning() -> None:
    """A rule for names that begin so must not reach somebody else."""
    users = [service_user(service) + "-" for service in SERVICES]
    assert not any(one != other and one.startswith(other) for one in users for other in users)
    assert is_ours(ADMIN)
    assert is_ours(partner_user("x"))
    assert not is_ours("payroll")
    assert not is_ours("CN=laurel-broker")
