"""Waiting goes on while anything moves, and ends where one group stands still and heartbeats go on coming."""

from __future__ import annotations

from chaos.settle import Progress


def test_a_group_that_comes_closer_moves_and_one_that_falls_back_does_not() -> None:
    progress = Progress()
    assert progress.since({"issuer": 300, "notifier": 5}, "the same")
    assert progress.since({"issuer": 200, "notifier": 8}, "the same")
    assert not progress.since({"issuer": 206, "notifier": 5}, "the same")
    assert not progress.since({"issuer": 260, "notifier": 6}, "the same")
    assert progress.since({"issuer": 199, "notifier": 6}, "the same")


def test_mails_lists_and_records_move_too() -> None:
    progress = Progress()
    progress.since({"issuer": 0}, (4, 0))
    assert progress.since({"issuer": 0}, (3, 0))
    assert not progress.since({"issuer": 0}, (3, 0))
