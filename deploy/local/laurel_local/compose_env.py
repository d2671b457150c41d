"""`make compose-env`: the secrets that docker-compose.yml wants, made once and readable by the owner alone."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from laurel.runtime.certificates import Authority
from laurel_local.consortium import Consortium, load_or_make

IMAGE_USER = 10001  # the user that the images run as of themselves
MAIL_HOST = "mailpit"
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
    consortium.catalog_file.chmod(0o644)  # it holds no secret, and another user's container reads it
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
        "KAFKA_ISSUER_PASSWORD": secrets.token_urlsafe(32),
        "KAFKA_REGISTRY_PASSWORD": secrets.token_urlsafe(32),
        "KAFKA_VERIFIER_PASSWORD": secrets.token_urlsafe(32),
        "KAFKA_NOTIFIER_PASSWORD": secrets.token_urlsafe(32),
        "KAFKA_OPERATOR_PASSWORD": secrets.token_urlsafe(32),
    }
    # Last, because its presence says that the rest is complete.
    _write(env_file, "".join(f"{name}={value}\n" for name, value in values.items()).encode(), 0o600)
    return Made(env_file, consortium)


def _write_certificate(folder: Path) -> None:
    """A certificate for the mail catcher, and the authority that vouches for it.

    The authority's key is never written, so it will vouch for nothing else.
    """
    authority = Authority("Laurel compose, mail catcher")
    issued = authority.issue(MAIL_HOST, [MAIL_HOST])
    _write(folder / "smtp-ca.pem", authority.certificate, 0o644)
    _write(folder / "smtp-certificate.pem", issued.certificate, 0o644)
    _write(folder / "smtp-key.pem", issued.key, 0o600)


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
