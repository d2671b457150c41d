# Laurel. `make demo` is the place to start; `make help` lists the rest.
PY := .venv/bin/python
UV := .venv/bin/uv

.PHONY: help setup lock demo up compose-env test chaos bench-revocation bench-bulk bench-burst fuzz check fmt docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready ## make the .venv with the locked dependencies

.venv/.ready: requirements.lock pyproject.toml shared/pyproject.toml deploy/local/pyproject.toml $(wildcard services/*/pyproject.toml)
	@test -x $(PY) || python3 -m venv .venv
	@test -x $(UV) || .venv/bin/pip install --quiet --disable-pip-version-check "$$(sed -n 's/^uv==\([0-9.]*\).*/uv==\1/p' requirements.lock)"
	@$(UV) pip sync --quiet --python $(PY) --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation \
		-e shared -e services/issuer -e services/registry -e services/verifier -e services/notifier -e deploy/local
	@touch $@

lock: ## resolve the dependencies again and write requirements.lock, and each service's
	$(UV) lock --upgrade
	$(UV) export --quiet --frozen --all-packages --all-groups --all-extras --no-emit-workspace --no-header --no-annotate -o requirements.lock
	@for name in issuer registry verifier notifier; do $(UV) export --quiet --frozen --package laurel-$$name --no-dev \
		--no-emit-workspace --no-header --no-annotate -o services/$$name/requirements.lock || exit 1; done

clean: ## remove what a run leaves: var/ and the caches
	rm -rf var .mypy_cache .ruff_cache .pytest_cache

demo: setup ## fifty completions through the whole of Laurel, live (ARGS=--once to end by itself)
	@$(PY) -m laurel_local.demo $(ARGS)

up: setup ## the same stack for keeps: Apache Kafka, data under var/up
	@$(PY) -m laurel_local.up $(ARGS)

compose-env: setup ## make the secrets that docker-compose.yml wants (.env and .compose/)
	@$(PY) -m laurel_local.compose_env

test: setup ## all tests, on the embedded stack and on Apache Kafka
	@rm -f var/tests-not-run.txt
	@$(if $(ARGS),$(PY) -m pytest $(ARGS),bash tests/run-all.sh)
	@$(if $(ARGS),true,for part in '*/laurel/contracts/*' '*/laurel/credentials/*' '*/domain.py'; do \
		.venv/bin/coverage report --include="$$part" --fail-under=95 || exit 1; done)
	@sort -u var/tests-not-run.txt 2>/dev/null || true

chaos: setup ## 10,000 completions on three brokers while everything is killed, then the balance (SEED=n, ARGS=--fast, --no-secured)
	@mkdir -p var
	@PYTHONPATH=tests $(PY) -m chaos.run $(if $(SEED),--seed $(SEED)) $(ARGS)

bench-revocation: setup ## how long until every verifier says revoked, at 200 changes a second (ARGS=--help)
	@PYTHONPATH=tests $(PY) -m bench.revocation $(ARGS)

bench-bulk: setup ## how long until a verifier has seen 10,000 suspensions, and single changes beside them (ARGS=--help)
	@PYTHONPATH=tests $(PY) -m bench.bulk $(ARGS)

bench-burst: setup ## 100,000 completions at once: memory, shedding, and status changes beside them (ARGS=--help)
	@PYTHONPATH=tests $(PY) -m bench.burst $(ARGS)

fuzz: setup ## feed changed samples to every parser (SECONDS=60 for all of them, SEED=0)
	@PYTHONPATH=tests $(PY) -m fuzz --seconds $(or $(SECONDS),60) --seed $(or $(SEED),0) $(ARGS)

check: setup ## formatting, lint, types, import rules, generated documents
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PY) -m laurel.contracts.asyncapi --check
	@$(PY) -m laurel.contracts.access --check

fmt: setup ## format the code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

docs: setup ## write the generated documents again
	@$(PY) -m laurel.contracts.asyncapi
	@$(PY) -m laurel.contracts.access
