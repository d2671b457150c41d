"""The Prometheus metrics that every service has. A service's own are next to what they count."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

HANDLED = Counter("laurel_records_handled_total", "Records handled.", ["service", "subscription"])
BATCH_SECONDS = Histogram("laurel_batch_seconds", "Time to handle one batch.", ["service", "subscription"])
PUBLISHED = Counter("laurel_events_published_total", "Events confirmed by the brokers.", ["service", "topic"])
RETRIES = Counter("laurel_retries_total", "Handling attempts that failed.", ["service", "subscription", "kind"])
WAITS = Histogram(
    "laurel_retry_wait_seconds", "Waits before handling was tried again.", ["service", "subscription", "kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)  # fmt: skip
LOOP_WAITS = Histogram(
    "laurel_loop_wait_seconds", "Waits of a background loop after a failure, before it tried again.", ["loop"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)  # fmt: skip
HELD = Gauge(
    "laurel_held_attempts", "Failed attempts so far at the batch that is held now, 0 while records flow.",
    ["service", "subscription"],
)  # fmt: skip
DEAD_LETTERED = Counter("laurel_dead_lettered_total", "Records given up on.", ["service", "subscription", "code"])
SKIPPED = Counter("laurel_view_records_skipped_total", "Records a view could not read.", ["service", "topic"])
REQUESTS_SHED = Counter("laurel_requests_shed_total", "Requests answered with 429 and not looked at.", ["path"])
