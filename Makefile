.DEFAULT_GOAL := help
.PHONY: help set-up set-up-tests demo test check contract bench soak clean

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
