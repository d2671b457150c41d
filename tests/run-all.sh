#!/usr/bin/env bash
# All tests, in two lanes at a time: most tests wait for brokers and databases, and half of the machine would wait too.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p var
other_log=var/tests-other-lane.log

# What computes, with its coverage, then the whole of Laurel at once; each part runs whatever became of the one before.
other_lane() {
    local failed=0
    .venv/bin/python -m pytest --cov --cov-report= tests/unit tests/contract tests/deploy tests/fuzz tests/oracles ||
        failed=1
    .venv/bin/python -m pytest tests/e2e tests/chaos || failed=1
    return "$failed"
}

other_lane >"$other_log" 2>&1 &
other=$!
# What fails in a trap would be the exit code of all.
trap '{ pkill -TERM -P "$other"; kill "$other"; } 2>/dev/null || true' EXIT

failed=0
echo "tests/integration; beside them run the others, shown afterwards (or see $other_log)"
.venv/bin/python -m pytest tests/integration || failed=1
wait "$other" || failed=1
cat "$other_log"
exit "$failed"
