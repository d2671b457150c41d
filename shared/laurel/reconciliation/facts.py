"""What reconciling looks at: small facts about every record and row, without documents and without personal data.

They are read in an order that makes most comparisons exact while services work (see `collecting`). They are held at
once, since topics and databases have different orders: 100,000 completions take about 430 MB, and 200 MB more if all
that they earned is revoked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from laurel.contracts.credentials import StatusPosition
from laurel.contracts.operations import Occasion
from laurel.contracts.status import Purpose, State
from laurel.reconciliation.report import Why


class Place(NamedTuple):
    """Where a record lies in its topic."""

    partition: int
    offset: int


class Position(NamedTuple):
    """A credential's place in the status lists of a family."""

    family: str
    bit: int

    @classmethod
    def of(cls, position: StatusPosition) -> Position:
        """The same, from a contract."""
        return cls(position.family, position.index)


class Filing(NamedTuple):
    """What a credential is filed under, the same wherever it stands. `issued_at` is RFC 3339 text in UTC."""

    issuer: str
    achievement: str | None
    partner: str | None
    position: Position
    issued_at: str


class CatalogEntry(NamedTuple):
    """An entry's newest version on `catalog.v1`. `digest` is of its body, `content` of all but the version.

    `found_by` is what the registry finds it by: a partner's key ids, an achievement's member, an operator's tokens.
    `consortium` is the name that a member's entry carries. `differing` is set when two records of the version do not
    say the same.
    """

    version: int
    digest: str
    content: str
    at: datetime
    found_by: tuple[str, ...]
    consortium: str | None = None
    differing: bool = False


class StoredEntry(NamedTuple):
    """An entry of the catalog in the registry. `digest` is of its body, `noted` what the row notes of the content;
    `published` is the version that is known to be on the topic."""

    version: int
    digest: str
    noted: str
    at: datetime
    found_by: tuple[str, ...]
    published: int


class Intent(NamedTuple):
    """The issuer's decision to issue. `record` names the completion's record; None for one asked for by VC-API.

    `event` tells events apart: partner, source and id. `unpublished` is set while a request's credential may not be
    on the topic.
    """

    record: str | None
    event: tuple[str | None, str, str]
    filing: Filing
    unpublished: bool = False


class Rejection(NamedTuple):
    """The issuer's decision to refuse. `event_id` is that of the event which tells of it, `digest` of its body."""

    code: str
    event_id: str
    digest: bytes
    at: datetime


class Issued(NamedTuple):
    """A credential on `credentials.v1`: where (repeats included), the digest of its document, how it is filed, the id
    of the event, which its history begins with, and its public address.

    `differing` is set when two of its records do not say the same.
    """

    places: tuple[Place, ...]
    digest: str
    filing: Filing
    event_id: str
    address: str
    differing: bool = False


class Recorded(NamedTuple):
    """A recipient on `recipients.v1`: where (repeats included) and when it was recorded. Not who it is."""

    places: tuple[Place, ...]
    at: datetime


class Registered(NamedTuple):
    """A row of the registry. `digest` is of the document as it is served, `noted` the one that the row notes; `token`
    is the end of the address that it is found by, and `at` since when it has its state.

    `history` is the digest of the status history as the log keeps it; `consistent` says that state and version are
    those of its newest entry, and the versions without a gap.
    """

    digest: str
    noted: str
    filing: Filing
    token: str
    state: State
    version: int
    at: datetime
    history: bytes
    consistent: bool = True


class Status(NamedTuple):
    """A credential's newest status on `status.changes.v1`. `history` is None where the record carries none."""

    place: Place
    issuer: str
    achievement: str | None
    position: Position
    state: State
    version: int
    at: datetime
    history: bytes | None

    @property
    def earned(self) -> bool:
        """Whether a completion earned the credential: only then is there a learner to tell."""
        return self.achievement is not None


class Asked(NamedTuple):
    """A status request on `status.requests.v1`: where (repeats included), of which credential, and when. `kid` is the
    key that a partner signed it with; None for one of the registry's own API."""

    places: tuple[Place, ...]
    credential: str
    at: datetime
    kid: str | None


class StoredRequest(NamedTuple):
    """A status request in the registry. `digest` is of the event's body; `partner` is who signed it, if one did."""

    digest: bytes
    credential: str
    partner: str | None
    accepted_at: datetime
    refused: bool


class Change(NamedTuple):
    """A change of status in a credential's history in the registry. `again` is set when its request stands there more
    than once."""

    credential: str
    at: datetime
    again: bool = False


class SignedList(NamedTuple):
    """A status list's newest version on `status-lists.v1`."""

    place: Place
    issuer: str
    family: str
    purpose: Purpose
    version: int
    digest: str
    bits: bytes


class StoredList(NamedTuple):
    """A status list in the registry. `digest` is of the document as it is served, `noted` the one the row notes."""

    issuer: str
    version: int
    digest: str
    noted: str


class Family(NamedTuple):
    """The issuer's bits, by purpose. `unpublished` is set while this version may not be on the topic."""

    version: int
    unpublished: bool
    bits: Mapping[str, bytes]


class Attempt(NamedTuple):
    """An attempt to send a mail, and when it ended; None where its end was never recorded."""

    outcome: str | None
    ended_at: datetime | None


class Delivery(NamedTuple):
    """A row of the notifier.

    `unreported` says that an instance has claimed the row, so that its last outcome may not be told yet; others take it
    up at `due_at`. `since` is when the credential was issued or revoked, to the millisecond.
    """

    credential: str
    occasion: Occasion
    issuer: str
    achievement: str
    since: datetime
    state: str
    due_at: datetime | None
    unreported: bool
    attempts: tuple[Attempt, ...]

    @property
    def outcomes(self) -> tuple[str | None, ...]:
        """What came of each attempt."""
        return tuple(each.outcome for each in self.attempts)


class Told(NamedTuple):
    """An attempt as `deliveries.v1` tells of it."""

    attempt: int
    succeeded: bool


Group = tuple[str, str]
"""A service and a topic: who reads what."""


@dataclass(slots=True)
class Facts:
    """Everything that is compared. Mappings are keyed by credential id unless they say otherwise.

    `completions` are the records of `completions.v1` by the name that the issuer gives a record; the value says
    whether it is of an event type that is passed over. `rejected` has the digests of the bodies on
    `completions.rejected.v1` by event id. `committed` has the next offset a group will handle, by partition, and
    `begins` the first offset that a topic still has. `unreadable` counts records without their contract's form,
    which services put into the dead letters; `broken_rows` names rows of a database that cannot be read. The two
    `since` say from when on a topic is whole; None: always; `whole_since` says so of other topics, where something was
    deleted. `mailbox` is how often a mail catcher has each delivery's mail, where one was asked.

    `catalog` and `stored_catalog` are keyed by kind and id, `asked` by the id under which the registry stores a request
    and the digest of its body, `requests` and `changes` by that id. `recorded` are the recipients on the topic, and
    `recipients` says until when the notifier keeps those that it has.
    """

    at: datetime
    committed: dict[Group, dict[int, int]] = field(default_factory=dict)
    begins: dict[str, dict[int, int]] = field(default_factory=dict)
    dead_letters: dict[Group, set[Place]] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)
    broken_rows: set[str] = field(default_factory=set)
    whole_since: dict[str, datetime] = field(default_factory=dict)

    catalog: dict[str, CatalogEntry] = field(default_factory=dict)
    stored_catalog: dict[str, StoredEntry] = field(default_factory=dict)
    consortium: str | None = None

    completions: dict[str, bool] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)
    rejections: dict[str, Rejection] = field(default_factory=dict)
    rejected: dict[str, set[bytes]] = field(default_factory=dict)
    rejected_since: datetime | None = None

    issued: dict[str, Issued] = field(default_factory=dict)
    registered: dict[str, Registered] = field(default_factory=dict)
    statuses: dict[str, Status] = field(default_factory=dict)
    asked: dict[tuple[str, bytes], Asked] = field(default_factory=dict)
    requests: dict[str, StoredRequest] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)

    families: dict[str, Family] = field(default_factory=dict)
    signed_lists: dict[str, SignedList] = field(default_factory=dict)
    stored_lists: dict[str, StoredList] = field(default_factory=dict)

    recorded: dict[str, Recorded] = field(default_factory=dict)
    recipients: dict[str, datetime] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    told: dict[str, set[Told]] = field(default_factory=dict)
    told_since: datetime | None = None
    mailbox: Mapping[str, int] | None = None

    stuck_after: timedelta = timedelta(minutes=15)

    def waits(self, service: str, topic: str, *places: Place) -> bool:
        """Whether the service has yet to handle the record, or the first of its repeats."""
        committed = self.committed.get((service, topic), {})
        return all(place.offset >= committed.get(place.partition, 0) for place in places)

    def given_up(self, service: str, topic: str, *places: Place) -> bool:
        """Whether the service has put the record, or one of its repeats, into the dead letters."""
        return not self.dead_letters.get((service, topic), set()).isdisjoint(places)

    def excuse(self, service: str, topic: str, *places: Place) -> Why | None:
        """Why nothing may have come of a record and its repeats yet; None where the service has passed them."""
        if self.given_up(service, topic, *places):
            return Why.DEAD_LETTERED
        return Why.WAITING if self.waits(service, topic, *places) else None

    def forgotten(self, topic: str, at: datetime) -> bool:
        """Whether the topic may have deleted what was written to it at that time."""
        since = self.whole_since.get(topic)
        return since is not None and at < since


def mailbox_of(message_ids: Iterable[str]) -> dict[str, int]:
    """How often each delivery's mail is among these Message-IDs, which are `<delivery@domain>`."""
    return Counter(each.strip().removeprefix("<").partition("@")[0] for each in message_ids)
