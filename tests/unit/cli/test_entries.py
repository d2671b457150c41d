"""Who the audit says it was, of what the command does on Kafka itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from laurel.cli.entries import kafka_user
from laurel.cli.exits import WrongUse
from laurel.runtime.certificates import Authority
from laurel.runtime.settings import KafkaSettings

PASSWORD = "p" * 20


def settings(**told: Any) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap="127.0.0.1:9092", **told)


def of_user(name: str) -> KafkaSettings:
    return settings(kafka_security_protocol="SASL_SSL", kafka_username=name, kafka_password=PASSWORD)


def showing(folder: Path, name: str) -> KafkaSettings:
    issued = Authority("an authority").issue(name, ["kafka-1.example.org"], client=True)
    file = folder / "broker.pem"
    file.touch(mode=0o600)
    file.write_bytes(issued.certificate + issued.key)
    return settings(kafka_security_protocol="SSL", kafka_certificate_file=file)


def test_it_is_whom_kafka_knows(tmp_path: Path) -> None:
    assert kafka_user(of_user("laurel-operator")) == "laurel-operator"
    assert kafka_user(showing(tmp_path, "laurel-broker")) == "laurel-broker"
    assert kafka_user(settings()) == "anybody"


@pytest.mark.parametrize("name", ["Ana", "ana.lima", "ana_lima", "-ana", "ana@example.org", "a" * 64])
def test_a_name_that_the_audit_cannot_hold_is_told_with_the_mend(name: str) -> None:
    with pytest.raises(WrongUse) as caught:
        kafka_user(of_user(name))

    assert repr(name) in caught.value.sentence
    assert "LAUREL_KAFKA_USERNAME" in caught.value.sentence
    assert PASSWORD not in caught.value.sentence


def test_so_is_one_in_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="'Broker 1'"):
        kafka_user(showing(tmp_path, "Broker 1"))
