"""FastStream's log, made fit for operators."""

from __future__ import annotations

import logging

import structlog
from aiokafka.errors import CommitFailedError

log = structlog.get_logger(__name__)


def logger() -> logging.Logger:
    """The logger that FastStream is given.

    It calls a failed commit critical, with a page of traceback. That is what every rebalance looks like to who had the
    partition before: nothing is lost by it, since the next owner handles the same records again.
    """
    given = logging.getLogger("laurel.faststream")
    if _no_failed_commit not in given.filters:
        given.addFilter(_no_failed_commit)
    return given


def _no_failed_commit(entry: logging.LogRecord) -> bool:
    error = entry.exc_info[1] if entry.exc_info else None
    if not isinstance(error, CommitFailedError):
        return True
    log.warning("offsets not committed: the partitions have moved, and their next owner handles the records again")
    return False
