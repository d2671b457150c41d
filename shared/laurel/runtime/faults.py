"""The kinds of failure, and which kind an exception is."""

from __future__ import annotations

from socket import gaierror
from ssl import SSLError

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)

from laurel.contracts.errors import Code
from laurel.runtime import mongo


class Transient(Exception):  # noqa: N818 - names the kind
    """Something else is away; trying again later is right."""


class Poison(Exception):  # noqa: N818 - names the kind
    """This record can never be handled; `code` and the message say why."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code


_REFUSALS = (
    ClusterAuthorizationFailedError, GroupAuthorizationFailedError, SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)  # fmt: skip


def is_refusal(error: BaseException) -> bool:
    """Whether a broker refuses this user what it asked for. A service waits, since rules may be mended meanwhile;
    who is at a terminal is told."""
    return isinstance(error, _REFUSALS)


def is_transient(error: BaseException) -> bool:
    """Whether the failure lies with a broker, a database or a network that may come back."""
    if isinstance(error, MessageSizeTooLargeError):
        return False  # aiokafka counts it among the broker's; no waiting makes a message smaller
    # Python has classes of their own for what the file system and other processes refuse, where waiting mends nothing;
    # a network that is down and descriptors that are used up are of the class itself.
    network = type(error) is OSError or isinstance(error, (ConnectionError, TimeoutError, gaierror, SSLError))
    return network or isinstance(error, (Transient, KafkaError)) or mongo.is_away(error)
