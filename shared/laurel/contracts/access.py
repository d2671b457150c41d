"""Who may do what on Kafka: rights made from the catalogue, so that there is one place for them.

A right not named here is nobody's: the broker refuses whatever no rule allows (`allow.everyone.if.no.acl.found=false`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laurel.contracts.topics import CATALOG, DEAD_LETTERS, TOPICS, Topic

PARTNERS, OPERATORS = "partners", "operators"
SERVICES: tuple[str, ...] = tuple(
    sorted({name for topic in TOPICS for name in (*topic.writers, *topic.readers)} - {PARTNERS, OPERATORS})
)
OPERATOR = "laurel-operator"
ADMIN = "laurel-admin"
"""The super user, for whom no rule is needed: it makes topics, rules and users, which it enters in the audit, and
reads and writes nothing else."""
BROKER = "laurel-broker"
"""The common name of every broker's certificate; whoever shows one is a super user too."""

REPLAYED: tuple[Topic, ...] = tuple(
    topic for topic in TOPICS if set(topic.readers) & set(DEAD_LETTERS.writers) and topic is not CATALOG
)
"""The topics to which operators may send a record again that a service gave up on. The catalog is read as a table, of
which nothing is given up on; and who may write it can make operators with any rights."""

FILE = Path("deploy/kafka/acls.md")
_HEAD = f"""\
# Kafka's rules

This file is generated from the catalogue (`laurel.contracts.topics`): change that and run `make docs`. `laurel kafka
apply` puts these rules on a cluster; [README.md](README.md) says how.

What no rule allows, the broker refuses. *Read* and *Write* on a topic include *Describe*. Nobody has *Create*,
*Delete*, *Alter* or *AlterConfigs*: topics, rules and users are made by the super user `{ADMIN}`. No rule for
idempotent producers is needed, since Kafka takes *Write* on any topic for it.

"""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One rule: this user may do this to this topic or consumer group, or to all groups that begin so."""

    user: str
    resource: Literal["topic", "group"]
    name: str
    operation: Literal["Read", "Write", "Describe"]
    prefixed: bool = False


def service_user(service: str) -> str:
    """A service's user name; its consumer groups begin with it too."""
    return f"laurel-{service}"


def partner_user(partner: str) -> str:
    """The user name of the partner with this id in the catalog."""
    return f"partner-{partner}"


def is_ours(user: str) -> bool:
    """Whether the rules of this user are Laurel's to give and to take away."""
    return user.startswith(("laurel-", "partner-"))


def topics_of(party: str) -> tuple[Topic, ...]:
    """The topics that a party writes or reads."""
    return tuple(topic for topic in TOPICS if party in topic.writers or party in topic.readers)


def grants(partners: Iterable[str]) -> frozenset[Grant]:
    """Every rule of a consortium with these partners, by their ids in the catalog."""
    return frozenset(
        (
            *(grant for service in SERVICES for grant in _of_party(service, service_user(service))),
            *(grant for service in SERVICES for grant in _groups(service)),
            *(grant for partner in partners for grant in _of_party(PARTNERS, partner_user(partner))),
            *_of_operators(),
        )
    )


def _of_party(party: str, user: str) -> Iterator[Grant]:
    for topic in topics_of(party):
        if party in topic.writers:
            yield Grant(user, "topic", topic.name, "Write")
        if party in topic.readers:
            yield Grant(user, "topic", topic.name, "Read")


def _groups(service: str) -> Iterator[Grant]:
    if any(service in topic.readers for topic in TOPICS):
        prefix = f"{service_user(service)}-"
        yield Grant(service_user(service), "group", prefix, "Read", prefixed=True)
        yield Grant(OPERATOR, "group", prefix, "Describe", prefixed=True)  # to see how far the service has come


def _of_operators() -> Iterator[Grant]:
    """Operators' tools weigh every topic against the others, send again what a service gave up on, and enter that."""
    for topic in TOPICS:
        yield Grant(OPERATOR, "topic", topic.name, "Read")
        if OPERATORS in topic.writers or topic in REPLAYED:
            yield Grant(OPERATOR, "topic", topic.name, "Write")


def rendered() -> str:
    """The rules as a document; `<id>` stands for each partner's."""
    rows = "".join(
        f"| `{each.user}` | {each.operation} | {each.resource} `{each.name}{'*' if each.prefixed else ''}` |\n"
        for each in sorted(grants(["<id>"]))
    )
    return f"{_HEAD}| user | may | on |\n| --- | --- | --- |\n{rows}"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with `--check` say that it differs and return 1."""
    parser = argparse.ArgumentParser(prog="python -m laurel.contracts.access", description="Write Kafka's rules.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file differs")
    parser.add_argument("--file", type=Path, default=FILE, help=f"where they are (default {FILE})")
    given = parser.parse_args(arguments)
    path: Path = given.file
    if path.is_file() and path.read_text(encoding="utf-8") == rendered():
        return 0
    if given.check:
        sys.stderr.write(f"{path} is not what the catalogue says: run python -m laurel.contracts.access.\n")
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rendered(), encoding="utf-8")
    sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
