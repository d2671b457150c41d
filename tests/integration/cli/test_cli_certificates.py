"""`laurel kafka certificates`: what a cluster's nodes show each other and their clients."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support.command import Run


def test_each_node_has_a_certificate_of_its_own_for_its_names(run: Run, tmp_path: Path) -> None:
    ran = run(
        "kafka", "certificates", "kafka-1.example.org,localhost", "kafka-2.example.org", "--out", tmp_path, "--json"
    )

    assert ran.code == 0
    nodes = [tmp_path / "kafka-1.example.org.pem", tmp_path / "kafka-2.example.org.pem"]
    assert ran.document == {"authority": str(tmp_path / "ca.pem"), "nodes": [str(file) for file in nodes]}
    (authority,) = x509.load_pem_x509_certificates((tmp_path / "ca.pem").read_bytes())
    for file, names in zip(nodes, (["kafka-1.example.org", "localhost"], ["kafka-2.example.org"]), strict=True):
        (certificate,) = x509.load_pem_x509_certificates(file.read_bytes())
        certificate.verify_directly_issued_by(authority)
        (common,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert common.value == "laurel-broker", "this name is a super user in security.properties"
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert alternative.get_values_for_type(x509.DNSName) == names
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} == set(uses)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_authority_s_key_is_nowhere(run: Run, tmp_path: Path) -> None:
    run("kafka", "certificates", "kafka", "--out", tmp_path)
    assert (tmp_path / "kafka.pem").read_text().count("PRIVATE KEY") == 2  # its beginning and its end: one key
    assert "PRIVATE" not in (tmp_path / "ca.pem").read_text()
    assert {file.name for file in tmp_path.iterdir()} == {"kafka.pem", "ca.pem"}


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        (["two words"], "is not a host name"), (["../kafka"], "is not a host name"), (["kafka,"], "is not a host name"),
        (["kafka,a", "kafka,b"], "the same first name"),
    ],
)  # fmt: skip
def test_what_is_no_host_name_is_refused(run: Run, tmp_path: Path, nodes: list[str], told: str) -> None:
    ran = run("kafka", "certificates", *nodes, "--out", tmp_path)
    assert ran.code == 2
    assert told in ran.err
    assert list(tmp_path.iterdir()) == []


def test_certificates_that_are_there_are_not_overwritten(run: Run, tmp_path: Path) -> None:
    run("kafka", "certificates", "kafka", "--out", tmp_path)
    before = (tmp_path / "kafka.pem").read_bytes()
    assert run("kafka", "certificates", "kafka", "--out", tmp_path).code == 2
    assert (tmp_path / "kafka.pem").read_bytes() == before
