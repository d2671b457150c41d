"""Kafka: the only package that knows FastStream and aiokafka.

FastStream's defaults acknowledge first, start at the newest record and create topics on the fly; all three would
lose events here, so everything that matters is set explicitly.
"""

from laurel.runtime.kafka.bus import Kafka
from laurel.runtime.kafka.letters import dead_letter
from laurel.runtime.kafka.provisioning import provision, until_answered
from laurel.runtime.kafka.tools import begins, committed, resend, scan
from laurel.runtime.kafka.views import TableReader

__all__ = [
    "Kafka",
    "TableReader",
    "begins",
    "committed",
    "dead_letter",
    "provision",
    "resend",
    "scan",
    "until_answered",
]
