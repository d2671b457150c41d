"""The verifier's view of the world, in memory, rebuilt from Kafka at every start.

How fresh the view is follows from the registry's heartbeats alone. A heartbeat says that nothing up to its time is
missing from its partition, and records are read in order, so having read it proves completeness up to then. A
change proves nothing of the kind: another one from before it may be on its way still. The view as a whole is as
fresh as its least fresh partition, and of no known freshness until each has been heard from; `freshness` has the rest.
"""

from __future__ import annotations

from hashlib import blake2b

from prometheus_client import Histogram

from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import IssuerPublished
from laurel.contracts.errors import Code
from laurel.contracts.status import State, StatusChanged, StatusHeartbeat, StatusListSigned
from laurel.contracts.topics import CATALOG, STATUS_CHANGES, STATUS_LISTS
from laurel.runtime.clock import Clock, Steady
from laurel.runtime.faults import Poison
from laurel.runtime.health import Health
from laurel.runtime.kafka import TableReader
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings
from verifier.domain import Standing
from verifier.freshness import Freshness
from verifier.status_lists import StatusLists

TOPICS = (CATALOG, STATUS_CHANGES, STATUS_LISTS)
STATUS_SEEN_SECONDS = Histogram(
    "laurel_status_seen_seconds", "From the acceptance of a status change until answers here are given by it.",
    buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.5, 1, 2, 5, 15, 60),
)  # fmt: skip


class Standings:
    """Every credential's newest status, compactly: a 16-byte digest of its id → one integer.

    The integer holds, from the right, the state (2 bits), the index (31 bits), the number of the member and list
    family (20 bits) and the version. An object for each would take four times the memory.
    """

    _STATES = tuple(State)

    def __init__(self) -> None:
        self._packed: dict[bytes, int] = {}
        self._places: list[tuple[str, str]] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def put(self, changed: StatusChanged) -> None:
        """Take in a status; an older version than the one held never overwrites it."""
        key = _digest(_key(changed.credential))
        if changed.version <= self._packed.get(key, 0) >> 53:
            return
        place = (changed.issuer, changed.status.family)
        number = self._numbers.get(place)
        if number is None:
            number = self._numbers[place] = len(self._places)
            self._places.append(place)
        low = self._STATES.index(changed.state) | changed.status.index << 2 | number << 33
        self._packed[key] = low | changed.version << 53

    def forget(self, key: bytes) -> None:
        """The status of the credential with this id, in UTF-8, is no longer known, until the next one is put."""
        self._packed.pop(_digest(key), None)

    def get(self, credential: str) -> Standing | None:
        """The status of a credential by its id, or None where no change has named it."""
        packed = self._packed.get(_digest(_key(credential)))
        if packed is None:
            return None
        issuer, family = self._places[packed >> 33 & 0xFFFFF]
        return Standing(self._STATES[packed & 3], packed >> 53, issuer, family, packed >> 2 & 0x7FFFFFFF)


class View:
    """Members, statuses and signed lists.

    The event loop alone writes; other threads may read at any time, because every read is one look-up in a dict
    or a list whose values never change.
    """

    def __init__(
        self, settings: KafkaSettings, addresses: Addresses, health: Health, clock: Clock, steady: Steady
    ) -> None:
        self.caught_up = False
        self.standings = Standings()
        self.freshness = Freshness(STATUS_CHANGES.partitions, clock, steady)
        self._clock = clock
        self._issuers: dict[str, IssuerPublished] = {}
        self.lists = StatusLists(addresses, self._issuers.get)
        self._by_did: dict[str, IssuerPublished] = {}
        self._reader = TableReader(settings, "verifier", TOPICS, self.apply, health)

    async def start(self) -> None:
        """Read everything there is; returns when the view has caught up."""
        await self._reader.start()
        self.lists.settle()
        self.caught_up = True

    async def stop(self) -> None:
        """Stop reading."""
        await self._reader.stop()

    def apply(self, record: Record) -> None:
        """Take in one record. Raises Poison when it does not have its contract's form."""
        try:
            read = read_event(record)
        except Poison:
            if record.topic == STATUS_CHANGES.name and record.key is not None:
                self.standings.forget(record.key)  # it may have been a revocation
            raise
        if read is None:
            return
        match read[1]:
            case StatusChanged() as changed:
                self.standings.put(changed)
                if self.caught_up and changed.version > 1:  # the first one is the registration
                    # Two machines' clocks: where the other is ahead, the difference says nothing but "at once".
                    STATUS_SEEN_SECONDS.observe(max((self._clock() - changed.changed_at).total_seconds(), 0.0))
            case StatusHeartbeat() as heartbeat:
                self._beat(record.partition, heartbeat)
            case StatusListSigned() as signed:
                self.lists.offer(signed)
                self._settle()
            case IssuerPublished() as issuer:
                self._publish(issuer)
                self._settle()

    def age(self) -> float:
        """The view's age in seconds; infinite while it is not known."""
        age = self.freshness.age()
        return float("inf") if age is None else age.total_seconds()

    def issuer_of_did(self, did: str) -> IssuerPublished | None:
        """The member with this DID."""
        return self._by_did.get(did)

    def _settle(self) -> None:
        # While the past is read, verifying each of a list's many versions would be work for nothing.
        if self.caught_up:
            self.lists.settle()

    def _beat(self, partition: int, heartbeat: StatusHeartbeat) -> None:
        if heartbeat.partition != partition:
            raise Poison(Code.UNREADABLE_RECORD, f"a heartbeat for partition {heartbeat.partition} is in {partition}")
        self.freshness.beat(partition, heartbeat.at)

    def _publish(self, issuer: IssuerPublished) -> None:
        held = self._issuers.get(issuer.id)
        if held is not None and issuer.version < held.version:
            return
        if held is not None and held.did != issuer.did:
            self._by_did.pop(held.did, None)
        self._issuers[issuer.id] = issuer
        self._by_did[issuer.did] = issuer


def _digest(credential: bytes) -> bytes:
    return blake2b(credential, digest_size=16).digest()


def _key(credential: str) -> bytes:
    return credential.encode(errors="surrogatepass")
