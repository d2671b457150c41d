#!/usr/bin/env bash
# All tests, two kinds at a time: those that compute, with their coverage, beside those that wait for real parts.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p var
computing_log=var/tests-computing.log

.venv/bin/python -m pytest --cov --cov-report= tests/unit tests/contract tests/deploy tests/fuzz tests/oracles \
    >"$computing_log" 2>&1 &
computing=$!
trap 'kill "$computing" 2>/dev/null || true' EXIT

failed=0
echo "tests/integration, tests/e2e and tests/chaos; beside them run the others, shown afterwards (or see $computing_log)"
.venv/bin/python -m pytest tests/integration tests/e2e tests/chaos || failed=1
wait "$computing" || failed=1
cat "$computing_log"
exit "$failed"
