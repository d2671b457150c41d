"""Gives a cluster the topics and rules of a catalog, and its users their passwords: users.py CATALOG USER...

It connects as LAUREL_KAFKA_... says. The password of laurel-issuer is in KAFKA_ISSUER_PASSWORD, and so on. To do it
again does no harm: what is connected stays connected.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from laurel.cli.main import main


def laurel(*arguments: str) -> None:
    """Run the command in this process, which has loaded what it needs; end with its exit code if it fails."""
    if code := main(list(arguments)):
        sys.exit(code)


def give_passwords(users: list[str], folder: Path) -> None:
    """Make each user, by way of a file in a folder of this process's alone."""
    for user in users:
        name = f"KAFKA_{user.removeprefix('laurel-').replace('-', '_').upper()}_PASSWORD"
        password = os.environ.get(name)
        if not password:
            sys.exit(f"{name} is not set: set this environment variable.")
        file = folder / user
        file.write_text(password)
        laurel("kafka", "user", user, "--password-file", str(file))


if __name__ == "__main__":
    catalog, *named = sys.argv[1:]
    laurel("kafka", "apply", catalog)
    with tempfile.TemporaryDirectory() as private:
        give_passwords(named, Path(private))
