"""`laurel keys new`: secrets go to files of the owner's alone, and never over another."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from issuer.signer import Signer
from laurel.contracts.catalog import IssuerKey
from laurel.contracts.operators import Operator
from laurel.credentials.keys import SigningKey
from laurel.runtime.settings import _strong
from support.command import Run


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_signing_key_is_written_for_its_owner_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "north.key"

    ran = run("keys", "new", "--out", file, "--json")

    assert ran.code == 0
    assert mode(file) == 0o600
    key = SigningKey.from_multibase(file.read_text().strip())
    public = ran.document["publicKeyMultibase"]
    assert key.public.to_multibase() == public
    assert ran.document["didKey"] == f"did:key:{public}"
    assert IssuerKey(public_key_multibase=public)
    assert file.read_text().strip() not in ran.out


@pytest.mark.parametrize("name", ["Ed25519", "P-256", "P-384"])
def test_a_signing_key_may_be_of_several_types(run: Run, tmp_path: Path, name: str) -> None:
    file = tmp_path / "keys.json"

    ran = run("keys", "new", "--member", "north", "--type", name, "--out", file)

    assert ran.code == 0
    [entry] = json.loads(file.read_text())
    key = SigningKey.from_multibase(entry["secretKeyMultibase"])
    assert key.public.type == name
    assert IssuerKey(public_key_multibase=key.public.to_multibase())
    assert f"publicKeyMultibase: {key.public.to_multibase()}" in ran.out
    assert ("for a partner" in ran.out) == (name == "Ed25519"), "partners sign with Ed25519 alone"
    assert Signer.from_file(file).holds(key.public.to_multibase())


def test_an_rsa_key_is_a_jwk(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rsa.jwk"

    ran = run("keys", "new", "--type", "RSA", "--out", file, "--json")

    assert (ran.code, mode(file)) == (0, 0o600)
    assert SigningKey.from_jwk(json.loads(file.read_text())).public.to_jwk() == ran.document["publicKeyJwk"]
    assert set(ran.document["publicKeyJwk"]) == {"kty", "n", "e"}
    assert '"kty": "RSA"' in run("keys", "new", "--type", "RSA", "--out", tmp_path / "other.jwk").out


def test_a_type_only_where_it_makes_sense(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x"

    for wrong in (["--type", "RSA", "--member", "north"], ["--type", "P-256", "--secret"], ["--type", "P-521"]):
        assert run("keys", "new", "--out", file, *wrong).code == 2
    assert not file.exists()


def test_a_file_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "north.key"
    file.write_text("something dear")

    for kind in ([], ["--secret"], ["--api-key"]):
        ran = run("keys", "new", "--out", file, *kind)
        assert ran.code == 2
        assert "not overwritten" in ran.err
    assert file.read_text() == "something dear"


def test_without_a_name_it_goes_to_the_working_directory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    ran = run("keys", "new")

    assert "publicKeyMultibase: z6Mk" in ran.out
    assert mode(tmp_path / "signing-key.txt") == 0o600


def test_a_secret_is_one_that_settings_take(run: Run, tmp_path: Path) -> None:
    text = run("keys", "new", "--secret").out.strip()

    assert _strong(SecretStr(text))
    assert run("keys", "new", "--secret").out.strip() != text
    file = tmp_path / "secret"
    assert run("keys", "new", "--secret", "--out", file, "--json").document == {"secretFile": str(file)}
    assert mode(file) == 0o600


def test_an_api_key_comes_with_its_hash(run: Run) -> None:
    made = run("keys", "new", "--api-key", "--json").document

    assert sha256(made["apiKey"].encode()).hexdigest() == made["sha256"]
    assert run("keys", "new", "--api-key", "--secret").code == 2
    assert "apiKeyHashes:" in run("keys", "new", "--api-key").out


def test_an_operators_token_comes_with_its_entry_for_the_catalog(run: Run, tmp_path: Path) -> None:
    made = run("keys", "new", "--operator-token", "--json").document
    assert sha256(made["token"].encode()).hexdigest() == made["sha256"]

    file = tmp_path / "token"
    ran = run("keys", "new", "--operator-token", "--out", file)
    entry = yaml.safe_load(ran.out.partition("for the operator:")[2])
    operator = Operator.model_validate({"id": "desk", "name": "The desk", "rights": ["status"], **entry})
    digest = sha256(file.read_text().strip().encode()).hexdigest()
    assert operator.holds(digest, datetime.now(UTC))
    assert mode(file) == 0o600
    assert file.read_text().strip() not in ran.out
    assert run("keys", "new", "--api-key", "--operator-token").code == 2


def test_members_keys_are_collected_in_a_file_that_the_issuer_takes(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "signing-keys.json"

    publics = [
        run("keys", "new", "--member", member, "--out", file, "--json").document["publicKeyMultibase"]
        for member in ("north", "south", "north")
    ]

    assert mode(file) == 0o600
    signer = Signer.from_file(file)
    assert all(signer.holds(public) for public in publics)
    assert len(set(publics)) == 3


def test_a_file_that_holds_something_else_is_left_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("something dear")

    ran = run("keys", "new", "--member", "north", "--out", file)

    assert ran.code == 2
    assert "not a signing keys file" in ran.err
    assert file.read_text() == "something dear"


@pytest.mark.parametrize("name", ["taken.json", "file/keys.json", "absent/keys.json", "x" * 252, "deep.json"])
def test_where_a_members_key_cannot_go_a_sentence_says_so(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / ".taken.json.new").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "deep.json").write_text("[" * 100_000)

    assert run("keys", "new", "--member", "north", "--out", tmp_path / name).code == 2
