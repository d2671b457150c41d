"""`make compose-env`: the secrets that docker-compose.yml wants, made once and readable by the owner alone."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from laurel_local.consortium import Consortium, load_or_make

IMAGE_USER = 10001  # the user that the images run as of themselves
MAIL_HOST = "mailpit"
CERTIFICATE_LIFE = timedelta(days=3650)
START_OVER = "docker compose down --volumes, and remove .env and .compose"


class AlreadyMade(Exception):  # noqa: N818 - nothing went wrong
    """There is an .env already; it is kept, since the data in the volumes goes with it."""


@dataclass(frozen=True)
class Made:
    """What was written."""

    env_file: Path
    consortium: Consortium


def make(directory: Path, *, uid: int, gid: int) -> Made:
    """Write `.env` and `.compose/` into the folder of docker-compose.yml, for containers of that user.

    For root the containers run as the images' own user instead, and that user is given the files.

    Raises:
        AlreadyMade: there is an `.env`.
    """
    env_file = directory / ".env"
    if env_file.exists():
        raise AlreadyMade(f"{env_file} exists and is kept. To start over: {START_OVER}.")
    folder = directory / ".compose"
    consortium = load_or_make(folder / "consortium")
    _write_certificate(folder)
    if uid == 0:
        uid = gid = IMAGE_USER
        for file in (consortium.signing_keys_file, folder / "smtp-key.pem"):
            os.chown(file, uid, gid)
    values = {
        "LAUREL_UID": str(uid),
        "LAUREL_GID": str(gid),
        "LAUREL_MASTER_KEY": consortium.master_key,
        "LAUREL_ADMIN_TOKEN": consortium.admin_token,
        "MONGO_ROOT_PASSWORD": secrets.token_urlsafe(32),
        "MONGO_ISSUER_PASSWORD": secrets.token_urlsafe(32),
        "MONGO_REGISTRY_PASSWORD": secrets.token_urlsafe(32),
        "MONGO_NOTIFIER_PASSWORD": secrets.token_urlsafe(32),
    }
    # Last, because its presence says that the rest is complete.
    _write(env_file, "".join(f"{name}={value}\n" for name, value in values.items()).encode(), 0o600)
    return Made(env_file, consortium)


def _write_certificate(folder: Path) -> None:
    """A certificate for the mail catcher, and the authority that vouches for it.

    The authority's key is never written, so it will vouch for nothing else.
    """
    now = datetime.now(UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Laurel compose, mail catcher")])
    ca = (
        _builder(authority, authority, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, MAIL_HOST)]), authority, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(MAIL_HOST)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(folder / "smtp-ca.pem", ca.public_bytes(pem), 0o644)
    _write(folder / "smtp-certificate.pem", certificate.public_bytes(pem), 0o644)
    _write(folder / "smtp-key.pem", private, 0o600)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    # Created with its final mode: a file that is narrowed later could be opened in between.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def main() -> None:
    """Command line of `make compose-env`."""
    parser = argparse.ArgumentParser(prog="make compose-env", description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(), help="where docker-compose.yml is (default: here)")
    directory: Path = parser.parse_args().directory
    try:
        made = make(directory, uid=os.getuid(), gid=os.getgid())
    except AlreadyMade as kept:
        sys.stdout.write(f"{kept}\n")
        return
    consortium = made.consortium
    sys.stdout.write(
        f"{made.env_file} and {directory / '.compose'} hold the secrets; keep them as long as the volumes. Next:\n"
        f"  docker compose up --build --wait\n"
        f"  .venv/bin/laurel catalog apply {consortium.catalog_file} --registry http://localhost:8010"
        f" --token-file {consortium.admin_token_file}\n"
    )


if __name__ == "__main__":
    main()
