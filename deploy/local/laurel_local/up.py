"""`make up`: the same stack for keeps, on Apache Kafka, with its data under `var/up`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from laurel_local.broker import ApacheKafka, Unavailable
from laurel_local.consortium import load_or_make
from laurel_local.database import EmbeddedDatabase
from laurel_local.demo import DemoFailed, Run, apply_catalog, stay_up
from laurel_local.mailbox import Mailbox
from laurel_local.processes import StartError
from laurel_local.services import Ports, add_services
from laurel_local.stack import Stack


def run_up(directory: Path, console: Console, first_port: int) -> None:
    """Bring everything up, load the catalog where it changed, and stay up until Ctrl-C."""
    consortium = load_or_make(directory / "consortium")
    ports = Ports.fixed(first_port)
    stack = Stack(
        directory,
        ApacheKafka(directory / "kafka", port=first_port + 1092, controller_port=first_port + 1093),
        EmbeddedDatabase(directory / "database", port=first_port + 1017),
        Mailbox(directory / "mailbox", smtp_port=first_port + 24, http_port=first_port + 25),
        on_event=lambda text: console.print(f"  [dim]{text}[/]", highlight=False),
    )
    add_services(stack, consortium, ports)
    run = Run(console, directory, stack, consortium, ports)
    console.rule("[bold]Laurel", align="left")
    with stack:
        apply_catalog(run)
        tell_where(run)
        asyncio.run(stay_up(run))


def tell_where(run: Run) -> None:
    """The addresses and files that the next command needs."""
    consortium = run.consortium
    lines = {
        "registry": run.ports.url("registry"),
        "verifier": run.ports.url("verifier"),
        "intake": f"{run.ports.url('issuer')}/completions",
        "Kafka": run.stack.broker.bootstrap,
        "mailbox": run.stack.mailbox.http_url,
        "catalog": str(consortium.catalog_file),
        "admin token": str(consortium.admin_token_file),
        "partner keys": ", ".join(str(consortium.partner_key_file(name)) for name in consortium.partner_keys),
    }
    for name, where in lines.items():
        run.console.print(f"  {name:<12} {where}", highlight=False, soft_wrap=True)


def main() -> None:
    """Command line of `make up`."""
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, default=Path("var/up"), help="where the data is kept (default var/up)"
    )
    parser.add_argument("--first-port", type=int, default=8000, help="the issuer's; the others follow (default 8000)")
    arguments = parser.parse_args()
    console = Console()
    try:
        run_up(arguments.directory.resolve(), console, arguments.first_port)
    except (DemoFailed, StartError, Unavailable) as failure:
        console.print(f"[red]{failure}[/]", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
