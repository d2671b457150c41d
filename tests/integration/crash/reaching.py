"""Whether the story comes by every await of the services that lead to something that lasts."""

from __future__ import annotations

from collections.abc import Iterable

from integration.crash.story import Step
from support.awaits import Awaiting, in_source

_REBUILDING = (
    "`laurel registry rebuild` fills a database that nobody else uses and takes an empty one only: what a crash left "
    "is thrown away. tests/e2e/test_reconcile_and_rebuild.py holds what it makes to the original."
)
_ROUNDS = "The loop around the rounds: each round is tried, and nothing that lasts lies between them."
_STAND_IN = "It is what the harness stands in for; tests/chaos has the brokers' side."
_AT_MOST_ONCE = "What the verifier tells of verifications is told at most once, and stored nowhere."

NOT_TRIED = {
    "services/issuer/issuer/status_lists.py StatusListPublisher.run": _ROUNDS,
    "services/notifier/notifier/delivery.py Worker._work": _ROUNDS,
    "services/registry/registry/announcer.py Heartbeat.run": _ROUNDS,
    "services/registry/registry/bulk.py BulkRunner.run": _ROUNDS,
    "services/registry/registry/operating.py rebuild": _REBUILDING,
    "services/registry/registry/operating.py republish": "It publishes what is stored, and stores nothing.",
    "services/registry/registry/rebuilding.py Rebuild.run": _REBUILDING,
    "services/registry/registry/rebuilding.py Rebuild._restore_catalog": _REBUILDING,
    "services/registry/registry/rebuilding.py Rebuild._restore_request": _REBUILDING,
    "services/registry/registry/rebuilding.py Rebuild._restore_requests": _REBUILDING,
    "services/registry/registry/rebuilding.py Rebuild._restore_statuses": _REBUILDING,
    "services/registry/registry/requests.py Requests.restore": _REBUILDING,
    "services/registry/registry/statuses.py Statuses.restore": _REBUILDING,
    "services/registry/registry/store.py Store.restore_entries": _REBUILDING,
    "services/registry/registry/store.py Store.restore_statuses": _REBUILDING,
    "services/verifier/verifier/announcer.py Announcer.run": _ROUNDS,
    "services/verifier/verifier/announcer.py Announcer.run_once": _AT_MOST_ONCE,
    "shared/laurel/runtime/kafka/bus.py Kafka._send": _STAND_IN,
    "shared/laurel/runtime/kafka/bus.py Kafka._step_over": "A record that the client library cannot read comes to no "
    "handler. It publishes one letter and stores nothing; tests/integration/test_runtime.py has it on a real broker.",
    "shared/laurel/runtime/kafka/bus.py Kafka.subscribe.consume": "The harness hands batches over in its stead.",
}  # fmt: skip
"""Why some functions' awaits are no points, by file and function."""


def not_reached(steps: Iterable[Step]) -> list[Awaiting]:
    """The awaits that lead to something that lasts and that no step comes by, in the order of the source."""
    passed = {place.end for step in steps for effect in step.undisturbed.effects for place in effect.at}
    return sorted(each for end, each in in_source().items() if end not in passed)
