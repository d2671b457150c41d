"""`laurel kafka`: a cluster's certificates, and its topics, rules and users, made by its super user."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from laurel.cli import output
from laurel.cli.exits import WrongUse
from laurel.cli.kafka import Bootstrap, configure, kafka_settings
from laurel.cli.keys import write_secret

if TYPE_CHECKING:
    from laurel.contracts.access import Grant

T = TypeVar("T")

_PASSWORD_LIMIT = 1024
_WEAKEST_PASSWORD = 16
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_PARTNER_USER = re.compile(r"partner-[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

app = typer.Typer(
    help="Make Kafka's certificates, topics, rules and users. Connect as its super user: LAUREL_KAFKA_USERNAME and its "
    "neighbours, or LAUREL_KAFKA_CERTIFICATE_FILE with a broker's.",
    no_args_is_help=True,
)

CatalogFile = Annotated[
    Path, typer.Argument(metavar="CATALOG", help="The catalog, which names the partners.", exists=True, dir_okay=False)
]


@app.command("acls")
def acls(file: CatalogFile, as_json: output.AsJson = False) -> None:
    """Print every rule that the cluster of this consortium needs; nothing is connected to.

    \b
    Example:
      laurel kafka acls catalog.yaml
    """
    wanted = sorted(_wanted(file))
    if as_json:
        output.document({"rules": [_as_fact(each) for each in wanted]})
        return
    output.table(
        ("user", "may", "on", ""), [(each.user, each.operation, each.resource, _name(each)) for each in wanted]
    )


@app.command("apply")
def apply(
    file: CatalogFile,
    bootstrap: Bootstrap,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change in the rules.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Make the topics that are missing, add the rules that are missing, and withdraw those that should not be.

    Rules of users that are not Laurel's (laurel-..., partner-...) are left alone. A partner that is no longer in the
    catalog loses its rights; `laurel kafka user --remove` ends its user too. Each change is entered in the audit.

    \b
    Example:
      laurel kafka apply catalog.yaml --bootstrap kafka.example.org:9094
    """
    from laurel.cli.changing import apply_rights  # noqa: PLC0415 - takes long to load

    wanted = _wanted(file)
    configure("kafka-cli")
    made, changes = _run(apply_rights(kafka_settings(bootstrap), wanted, dry_run=dry_run), bootstrap)
    added, withdrawn = ([str(each) for each in rules] for rules in (changes.missing, changes.surplus))
    if as_json:
        output.document({"topics": list(made), "added": added, "withdrawn": withdrawn, "dryRun": dry_run})
        return
    for sign, lines in (("topic", made), ("+", added), ("-", withdrawn)):
        for line in lines:
            output.say(f"{sign} {line}")
    would = "would be " if dry_run else ""
    output.say(f"{len(made)} topics {would}made, {len(added)} rules {would}added, {len(withdrawn)} {would}withdrawn.")


@app.command("user")
def user(
    name: Annotated[str, typer.Argument(metavar="USER", help="laurel-issuer, laurel-operator, partner-campus, ...")],
    bootstrap: Bootstrap,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="The new password; `laurel keys new --secret` makes one."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the password away instead.")] = False,
    as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Make a user, or give it a new password; what is connected stays connected. It is entered in the audit.

    \b
    Example:
      laurel keys new --secret --out issuer.password
      laurel kafka user laurel-issuer --password-file issuer.password
    """
    from laurel.cli.changing import change_user  # noqa: PLC0415 - takes long to load

    known = _users()
    if name not in known and not _PARTNER_USER.fullmatch(name):
        raise WrongUse(f"{name!r} is nobody in Laurel: give one of {', '.join(known)}, or partner- and a partner's id.")
    if remove == (password_file is not None):
        raise WrongUse("Give either --password-file or --remove.")
    configure("kafka-cli")
    password = None if password_file is None else _password(password_file)
    _run(change_user(kafka_settings(bootstrap), name, password), bootstrap)
    done = "can connect no more" if remove else "has the password of the file from now on"
    if as_json:
        output.document({"user": name, "removed": remove})
    else:
        output.say(f"{name} {done}.")


@app.command("certificates")
def certificates(
    nodes: Annotated[
        list[str],
        typer.Argument(metavar="NODE...", help="A node by its host name; by all of them, with commas, if it has more."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.", file_okay=False)] = Path(),
    as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Make an authority for one cluster, and from it each node's certificate; nothing is connected to.

    ca.pem is for everybody who connects. NODE.pem is for that node alone, certificate and key in one file: whoever has
    it may do anything. The authority's key is kept nowhere, so for another node later all are made anew.

    \b
    Example:
      laurel kafka certificates kafka-1.example.org kafka-2.example.org kafka-3.example.org --out certificates
    """
    from laurel.contracts.access import BROKER  # noqa: PLC0415 - take long to load
    from laurel.runtime.certificates import Authority  # noqa: PLC0415

    names = [_hosts(each) for each in nodes]
    if len({first for first, *_ in names}) < len(names):
        raise WrongUse("Two nodes have the same first name: give each its own.")
    authority = Authority("Laurel, Kafka")
    for first, *others in names:
        issued = authority.issue(BROKER, [first, *others], client=True)
        write_secret(out / f"{first}.pem", (issued.certificate + issued.key).decode().rstrip())
    # Last, because its presence says that the others are complete.
    write_secret(out / "ca.pem", authority.certificate.decode().rstrip())
    (out / "ca.pem").chmod(0o644)
    if as_json:
        output.document({"authority": str(out / "ca.pem"), "nodes": [str(out / f"{first}.pem") for first, *_ in names]})
    else:
        output.say(
            f"{out}: ca.pem for everybody, {', '.join(f'{first}.pem' for first, *_ in names)} for its node alone."
        )


def _hosts(text: str) -> list[str]:
    hosts = text.split(",")
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise WrongUse(f"{host!r} is not a host name: give one such as kafka-1.example.org.")
    return hosts


def _wanted(file: Path) -> frozenset[Grant]:
    from laurel.cli.catalog_file import read_catalog  # noqa: PLC0415 - take long to load
    from laurel.contracts.access import grants  # noqa: PLC0415

    return grants(each.id for each in read_catalog(file).partners)


def _users() -> tuple[str, ...]:
    from laurel.contracts.access import ADMIN, OPERATOR, SERVICES, service_user  # noqa: PLC0415

    return ADMIN, OPERATOR, *(service_user(name) for name in SERVICES)


def _password(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as opened:
            text = opened.read(_PASSWORD_LIMIT + 2).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"The password file {file} cannot be read ({type(error).__name__}).") from None
    if not _WEAKEST_PASSWORD <= len(text) <= _PASSWORD_LIMIT or not text.isprintable():
        raise WrongUse(f"{file} must hold {_WEAKEST_PASSWORD} to {_PASSWORD_LIMIT} printable ASCII characters.")
    return text


def _run(call: Awaitable[T], bootstrap: str) -> T:
    from laurel.cli.letters import bounded  # noqa: PLC0415

    return asyncio.run(bounded(call, bootstrap))


def _name(grant: Grant) -> str:
    return f"{grant.name}{'*' if grant.prefixed else ''}"


def _as_fact(grant: Grant) -> dict[str, str]:
    return {"user": grant.user, "may": grant.operation, "on": grant.resource, "name": _name(grant)}
