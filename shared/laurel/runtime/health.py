"""Whether a service lives and whether it is ready, each with its reasons."""

from __future__ import annotations

from collections.abc import Callable

Check = Callable[[], str | None]


class Health:
    """Readiness is a set of named conditions; liveness is lost by `fail` or by a check that finds a reason."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        self._live_checks: dict[str, Check] = {}
        self._ready_checks: dict[str, Check] = {}
        self.failure: str | None = None

    def waiting(self, what: str, why: str) -> None:
        """Not ready because of `what`, until `done(what)`."""
        self._waiting[what] = why

    def done(self, what: str) -> None:
        """`what` no longer keeps the service from being ready."""
        self._waiting.pop(what, None)

    def fail(self, reason: str) -> None:
        """The service cannot go on and wants to be replaced."""
        self.failure = self.failure or reason

    def check_live(self, name: str, check: Check) -> None:
        """Add a check that returns why the service should be restarted, or None."""
        self._live_checks[name] = check

    def check_ready(self, name: str, check: Check) -> None:
        """Add a check that returns why the service should get no traffic, or None."""
        self._ready_checks[name] = check

    def not_live(self) -> dict[str, str]:
        """Reasons by name; empty while the service lives."""
        reasons = {"failure": self.failure} if self.failure else {}
        return reasons | _findings(self._live_checks)

    def not_ready(self) -> dict[str, str]:
        """Reasons by name; empty while the service is ready."""
        return self._waiting | self.not_live() | _findings(self._ready_checks)


def _findings(checks: dict[str, Check]) -> dict[str, str]:
    found = {name: check() for name, check in checks.items()}
    return {name: reason for name, reason in found.items() if reason is not None}
