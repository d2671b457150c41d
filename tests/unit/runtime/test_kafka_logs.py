"""What operators see of FastStream's log."""

from __future__ import annotations

import logging

import pytest
from aiokafka.errors import CommitFailedError, KafkaError
from structlog.testing import capture_logs

from laurel.runtime.kafka.logs import logger


def test_a_commit_that_a_rebalance_overtook_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    error = CommitFailedError("the group has already rebalanced")
    with capture_logs() as told:
        logger().log(logging.CRITICAL, repr(error), exc_info=error)
    assert [entry["log_level"] for entry in told] == ["warning"]
    assert "partitions have moved" in told[0]["event"]
    assert caplog.records == []


def test_any_other_failure_is_told_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    error = KafkaError("something else")
    logger().log(logging.CRITICAL, repr(error), exc_info=error)
    assert [entry.levelno for entry in caplog.records] == [logging.CRITICAL]
