"""The parts of the compose file that can be tried without an engine: mail's TLS, the secrets, the database's users."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from deploy.files import ROOT, compose, env_values
from issuer.intake import CompletionIn
from issuer.signer import Signer
from laurel_local import compose_env
from laurel_local.consortium import load_or_make
from support.missing import not_here

PARTS = compose()["services"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after `make compose-env`."""
    directory = tmp_path_factory.mktemp("made")
    compose_env.make(directory, uid=os.getuid() or 1000, gid=os.getgid() or 1000)
    return directory


def test_secrets_are_for_their_owner_alone(made: Path) -> None:
    for file in (".env", ".compose/smtp-key.pem", ".compose/consortium/signing-keys.json"):
        assert stat.S_IMODE((made / file).stat().st_mode) == 0o600, file


def test_the_issuer_takes_the_signing_keys(made: Path) -> None:
    file = made / ".compose" / "consortium" / "signing-keys.json"
    Signer.from_file(file)
    assert {each["issuer"] for each in json.loads(file.read_text())} == {"hochtal", "kontor", "datenwerk"}


def test_an_env_that_is_there_is_kept(made: Path) -> None:
    before = (made / ".env").read_bytes()
    with pytest.raises(compose_env.AlreadyMade, match=r"docker compose down --volumes"):
        compose_env.make(made, uid=1000, gid=1000)
    assert (made / ".env").read_bytes() == before


def test_every_secret_is_another_one(made: Path, tmp_path: Path) -> None:
    compose_env.make(tmp_path, uid=1000, gid=1000)
    drawn = [value for folder in (made, tmp_path) for name, value in env_values(folder / ".env").items()
             if name not in ("LAUREL_UID", "LAUREL_GID")]  # fmt: skip
    assert len(set(drawn)) == len(drawn)
    assert all(len(value) >= 43 for value in drawn)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_for_root_the_containers_run_as_the_images_user_who_gets_the_files(tmp_path: Path) -> None:
    compose_env.make(tmp_path, uid=0, gid=0)
    values = env_values(tmp_path / ".env")
    assert values["LAUREL_UID"] == values["LAUREL_GID"] == str(compose_env.IMAGE_USER)
    for file in ("smtp-key.pem", "consortium/signing-keys.json"):
        assert (tmp_path / ".compose" / file).stat().st_uid == compose_env.IMAGE_USER


def test_the_command_says_what_comes_next(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "laurel_local.compose_env", "--directory", str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "docker compose up" in first
    assert "laurel catalog apply" in first
    assert "is kept" in again
    secrets = [value for name, value in env_values(tmp_path / ".env").items() if len(value) > 20]
    assert not any(secret in first + again for secret in secrets)


def handshake(made: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLS handshake with the mail catcher's certificate, by a client that trusts what the notifier is told to."""
    monkeypatch.setenv("SSL_CERT_FILE", str(made / ".compose" / "smtp-ca.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made / ".compose" / "smtp-certificate.pem", made / ".compose" / "smtp-key.pem")
    client = ssl.create_default_context()
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [client.wrap_bio(to_client, to_server, server_hostname=name), server.wrap_bio(to_server, to_client, True)]
    while sides:
        for side in tuple(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)


def test_the_notifier_trusts_the_mail_catcher(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PARTS["notifier"]["environment"]["SSL_CERT_FILE"] == "/run/secrets/smtp-ca"
    handshake(made, PARTS["notifier"]["environment"]["LAUREL_SMTP_HOST"], monkeypatch)


def test_the_certificate_is_for_no_other_name(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "kafka", monkeypatch)


def test_the_readme_s_completion_is_one_that_the_issuer_takes(made: Path) -> None:
    text = (ROOT / "deploy" / "README.md").read_text()
    body = re.search(r"-d '\n(.*?)'\n", text, flags=re.DOTALL)
    assert body is not None
    given = CompletionIn.model_validate_json(body[1])
    catalog = load_or_make(made / ".compose" / "consortium").catalog
    (partner,) = (each for each in catalog.partners if each.id == "campus")
    assert given.data.achievement in partner.achievements
    key = (made / ".compose/consortium/campus.api-key").read_text()
    assert sha256(key.encode()).hexdigest() in partner.api_key_hashes


def test_every_service_s_user_may_use_its_own_database_alone() -> None:
    node = shutil.which("node")
    if node is None:
        not_here("there is no JavaScript here to run deploy/mongo/users.js with")
    environment = {name: f"password-of-{name}" for name in PARTS["mongo"]["environment"]}
    stub = "const db = {getSiblingDB: on => ({createUser: user => console.log(JSON.stringify({on, ...user}))})};\n"
    script = stub + (ROOT / "deploy/mongo/users.js").read_text()

    made = subprocess.run([node, "-e", script], env=environment, capture_output=True, text=True, check=True).stdout
    without = subprocess.run([node, "-e", script], env={}, capture_output=True, text=True, check=False)

    assert [json.loads(line) for line in made.splitlines()] == [
        {
            "on": f"laurel_{name}", "user": f"laurel_{name}", "pwd": f"password-of-MONGO_{name.upper()}_PASSWORD",
            "roles": [{"role": "readWrite", "db": f"laurel_{name}"}],
        }
        for name in ("issuer", "registry", "notifier")
    ]  # fmt: skip
    assert without.returncode != 0
    assert "MONGO_ISSUER_PASSWORD is not set" in without.stderr
