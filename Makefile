.DEFAULT_GOAL := help
TIMESCALE_BIN := $(HEARTHBEAT_TEST_POSTGRES_BIN)
.PHONY: help set-up set-up-tests demo test test-timescale check contract bench soak clean

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

set-up: ## virtual environment, package, Mosquitto (part of the other commands)
	@deploy/set-up.sh

set-up-tests:
	@deploy/set-up.sh tests

demo: set-up ## the whole system with a small village, in a fresh directory
	@$(BIN)/hearthbeat demo

test: set-up-tests ## every test that needs no hardware
	$(PYTEST) -n 3 --dist loadfile -rs -m "not soak"

test-timescale: set-up-tests ## tests of storing on the TimescaleDB of HEARTHBEAT_TEST_POSTGRES_BIN
	@test -x "$(TIMESCALE_BIN)/postgres" || { echo "HEARTHBEAT_TEST_POSTGRES_BIN must name the" \
		"directory of initdb and postgres of a server that has TimescaleDB"; exit 2; }
	HEARTHBEAT_TEST_TIMESCALE=demanded $(BIN)/python -m pytest -n 2 --dist loadfile -rs \
		-m "not soak" tests/store tests/ingest tests/promises tests/alerts

check: set-up ## format, lint, types, import contracts, architecture tests, specification
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) tests/architecture
	$(BIN)/python -m contract.specification check

contract: set-up ## make the specification anew: docs/contract.md and docs/hh1
	@$(BIN)/python -m contract.specification write

bench: set-up ## the benchmarks; ratios within one run
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

soak: set-up-tests ## the same tests at full scale; prints the scale
	HEARTHBEAT_SCALE=full $(PYTEST) -s -m "soak or loop" \
		tests/loop tests/promises tests/soak tests/contract/test_hostile.py

clean: ## remove the virtual environment and caches, nothing else
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
