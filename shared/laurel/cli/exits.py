"""The exit codes, which scripts rely on, and the exceptions that lead to them."""

from __future__ import annotations

from typing import Any

DONE = 0
REFUSED = 1
WRONG_USE = 2
UNREACHABLE = 3
DISCREPANCIES = 4
UNEXPECTED = 70
INTERRUPTED = 130


class Stop(Exception):  # noqa: N818 - an end, not a fault of the program
    """The command ends here. `sentence` goes to stderr; `facts` are told to programs that asked for JSON."""

    exit_code = REFUSED

    def __init__(self, sentence: str, **facts: Any) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.facts = facts


class Refused(Stop):
    """It does not hold, or Laurel said no: doing the same again gives the same answer."""


class WrongUse(Stop):
    """The command was called wrongly, or a setting is missing or unusable."""

    exit_code = WRONG_USE


class Unreachable(Stop):
    """Something did not answer, so nothing can be said: try again later."""

    exit_code = UNREACHABLE
