"""How Kafka is reached: combinations that would be unsafe, or that would not do what was meant, are refused."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from laurel.runtime.certificates import Authority
from laurel.runtime.kafka.connecting import broker_security, client_options
from laurel.runtime.settings import KafkaSettings, complaints

PASSWORD = "quite-Unlikely-0123456789"
SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_username": "laurel-issuer"}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """An authority, a broker's certificate with its key, a password for its owner alone, one for everybody, one that is
    none, and one that is not there."""
    authority = Authority("tests")
    broker = authority.issue("laurel-broker", ["localhost"], client=True)
    contents = {"ca": authority.certificate, "broker": broker.certificate + broker.key,
                "private": f"{PASSWORD}\n".encode(), "open": PASSWORD.encode(), "empty": b"\n",
                "umlauts": "Schlüssel".encode()}  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o644 if name in ("ca", "open") else 0o600)
    return {f"<{name}>": tmp_path / name for name in (*contents, "missing")}


def settings(files: dict[str, Path], **given: Any) -> KafkaSettings:
    found = {name: files.get(value, value) for name, value in given.items()}
    return KafkaSettings(**({"kafka_bootstrap": "kafka.example.org:9094"} | found))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kafka_username": "u", "kafka_password": PASSWORD}, "is PLAINTEXT, which uses no LAUREL_KAFKA_USERNAME"),
        ({"kafka_password": PASSWORD}, "set it to SASL_SSL"),
        ({"kafka_password_file": "<private>", "kafka_security_protocol": "SSL"}, "is SSL, which uses no"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_password": PASSWORD}, "LAUREL_KAFKA_USERNAME must be set"),
        (SASL, "exactly one of LAUREL_KAFKA_PASSWORD and LAUREL_KAFKA_PASSWORD_FILE"),
        (SASL | {"kafka_password": PASSWORD, "kafka_password_file": "<private>"}, "exactly one of"),
        (SASL | {"kafka_password": ""}, "LAUREL_KAFKA_PASSWORD cannot be used: must be printable ASCII"),
        (SASL | {"kafka_password": PASSWORD + "ü"}, "must be printable ASCII"),
        (SASL | {"kafka_password": "x" * 1025}, "at most 1024"),
        (SASL | {"kafka_password_file": "<open>"}, "chmod 600 it"),
        (SASL | {"kafka_password_file": "<missing>"}, "cannot be read (FileNotFoundError)"),
        (SASL | {"kafka_password_file": "<empty>"}, "must be printable ASCII"),
        (SASL | {"kafka_password_file": "<umlauts>"}, "must hold printable ASCII"),
        (SASL | {"kafka_username": "two words", "kafka_password": PASSWORD}, "LAUREL_KAFKA_USERNAME cannot be used"),
        (SASL | {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_password": PASSWORD},
         "may be SASL_PLAINTEXT only when LAUREL_KAFKA_BOOTSTRAP is this machine"),
        (SASL | {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_password": PASSWORD,
                 "kafka_bootstrap": "127.0.0.1:9092,kafka.example.org:9092"}, "is this machine"),
        (SASL | {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_password": PASSWORD,
                 "kafka_bootstrap": "127.0.0.1:9092", "kafka_sasl_mechanism": "PLAIN"}, "PLAIN only over TLS"),
        (SASL | {"kafka_password": PASSWORD, "kafka_sasl_mechanism": "OAUTHBEARER"}, "LAUREL_KAFKA_SASL_MECHANISM"),
        ({"kafka_security_protocol": "TLS"}, "LAUREL_KAFKA_SECURITY_PROTOCOL cannot be used"),
        ({"kafka_ca_file": "<ca>"}, "LAUREL_KAFKA_CA_FILE is set, but"),
        ({"kafka_ca_file": "<private>", "kafka_security_protocol": "SSL"}, "holds no certificate"),
        ({"kafka_ca_file": "<missing>", "kafka_security_protocol": "SSL"}, "cannot be read"),
        ({"kafka_certificate_file": "<broker>"}, "LAUREL_KAFKA_CERTIFICATE_FILE is set, but"),
        ({"kafka_certificate_file": "<private>", "kafka_security_protocol": "SSL"}, "a certificate and its key"),
        ({"kafka_certificate_file": "<ca>", "kafka_security_protocol": "SSL"}, "chmod 600 it"),
    ],
)  # fmt: skip
def test_what_is_unsafe_is_refused_in_a_sentence_that_shows_no_password(
    files: dict[str, Path], given: dict[str, str], says: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        settings(files, **given)
    (sentence,) = complaints(refusal.value)
    assert says in sentence
    assert sentence.endswith(".")
    for text in (sentence, str(refusal.value), repr(refusal.value)):
        assert PASSWORD not in text


@pytest.mark.parametrize("password", [{"kafka_password": PASSWORD}, {"kafka_password_file": "<private>"}])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_every_client_is_told_the_same(files: dict[str, Path], password: dict[str, str], mechanism: str) -> None:
    given = settings(files, **SASL, **password, kafka_ca_file="<ca>", kafka_sasl_mechanism=mechanism,
                     kafka_bootstrap="a.example.org:1,b.example.org:2")  # fmt: skip
    options, security = client_options(given), broker_security(given)
    assert options["bootstrap_servers"] == ["a.example.org:1", "b.example.org:2"]
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", mechanism)
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("laurel-issuer", PASSWORD)
    assert (security.username, security.password) == ("laurel-issuer", PASSWORD)  # type: ignore[attr-defined]
    for context in (options["ssl_context"], security.ssl_context):
        assert isinstance(context, ssl.SSLContext)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert len(context.get_ca_certs()) == 1, "the system's authorities vouch for no broker where one is named"
    assert PASSWORD not in repr(given)


def test_without_security_settings_nothing_changes(files: dict[str, Path]) -> None:
    given = settings(files)
    options = client_options(given)
    assert options["security_protocol"] == "PLAINTEXT"
    assert options["ssl_context"] is options["sasl_plain_password"] is None
    assert not broker_security(given).use_ssl


def test_a_password_file_is_read_again_for_each_client(files: dict[str, Path]) -> None:
    given = settings(files, **SASL, kafka_password_file="<private>")
    files["<private>"].write_text("the next password\n")
    assert client_options(given)["sasl_plain_password"] == "the next password"


def test_who_has_a_certificate_shows_it(files: dict[str, Path]) -> None:
    given = settings(files, kafka_security_protocol="SSL", kafka_ca_file="<ca>", kafka_certificate_file="<broker>")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files["<broker>"])
    server.load_verify_locations(files["<ca>"])
    server.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_options(given)["ssl_context"].wrap_bio(to_client, to_server, server_hostname="localhost")
    side = server.wrap_bio(to_server, to_client, True)
    for each in (client, side, client, side):
        with suppress(ssl.SSLWantReadError):
            each.do_handshake()
    shown = side.getpeercert()
    assert shown is not None
    assert (("commonName", "laurel-broker"),) in shown["subject"]
