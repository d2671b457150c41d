"""Kafka: the only package that knows FastStream and aiokafka.

FastStream's defaults acknowledge first, start at the newest record and create topics on the fly; all three would
lose events here, so everything that matters is set explicitly.
"""

from laurel.runtime.kafka.access import apply_rules, compare_rules, has_password, remove_user, set_password
from laurel.runtime.kafka.bus import Kafka
from laurel.runtime.kafka.connecting import LoginRefused
from laurel.runtime.kafka.connection import Connection
from laurel.runtime.kafka.letters import dead_letter
from laurel.runtime.kafka.provisioning import provision, until_answered
from laurel.runtime.kafka.tools import begins, committed, is_there, resend, scan
from laurel.runtime.kafka.views import TableReader

__all__ = [
    "Connection", "Kafka", "LoginRefused", "TableReader", "apply_rules", "begins", "committed", "compare_rules",
    "dead_letter", "has_password", "is_there", "provision", "remove_user", "resend", "scan", "set_password",
    "until_answered",
]  # fmt: skip
