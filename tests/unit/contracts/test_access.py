"""Kafka's rules follow from the catalogue, and the document from the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from laurel.contracts.access import (
    ADMIN,
    FILE,
    SERVICES,
    grants,
    is_ours,
    main,
    partner_user,
    rendered,
    service_user,
)
from laurel.contracts.topics import COMPLETIONS, STATUS_REQUESTS
from laurel.runtime.kafka.records import group_of
from support.rights import READS, WRITES

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


def test_each_user_may_read_and_write_what_is_written_down_for_it_and_nothing_else() -> None:
    made = [each for each in grants(["campus"]) if each.resource == "topic"]
    for verb, table in (("Read", READS), ("Write", WRITES)):
        found: dict[str, set[str]] = {user: set() for user in table}
        for each in made:
            if each.operation == verb:
                found["partner" if each.user == partner_user("campus") else each.user].add(each.name)
        assert found == table
    assert {each.operation for each in made} == {"Read", "Write"}


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
