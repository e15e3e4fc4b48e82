# Relay. `make run` shows it working, `make test` proves it, `make check` is what CI runs before the tests.
.DEFAULT_GOAL := help
# macOS has GNU make 3.81, which knows no .SHELLFLAGS: a recipe's line that is more than one command fails by `&&` or `||`.
SHELL := bash
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Byte code of functions/ would be shipped by SAM, which packs whole folders: keep it elsewhere.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/pycache
# Many an image says that none shall be written: each of the tests' processes then compiles 500 files, ten seconds.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY := 0

.PHONY: help setup run test quick coverage check audit format lock template bench prove prove-calls prove-stack build cost clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY) ## Install everything into .venv (the other targets do it when needed)

# uv is many times faster than pip, and is itself installed by the hash in our lock. Where it cannot reach
# the index that pip is configured for, pip does the same.
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Relay needs Python 3.11 or newer: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setting up .venv …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@awk '/^uv==/ {on=1} on {print} on && !/\\$$/ {exit}' requirements/dev.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY) ## Play a month through a local AWS (MEMBERS=200 SEED=0 FAULTS=default|all|refusals|none; KEEP=1 leaves it up; SAMPLES=1: the samples)
	@$(BIN)/relay run $(if $(KEEP),--keep) $(if $(SAMPLES),--samples) $(if $(MEMBERS),--members $(MEMBERS)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS))

# Three workers on two cores: the end-to-end tests wait more than they work.
test: $(READY) ## Unit, functional, contract and end-to-end tests; those of the functions on Python 3.13 as well, if there is one
	@scripts/test-newer
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --durations=15

quick: $(READY) ## The unit tests without scale, generated histories and type checkers: for the inner loop
	@$(BIN)/python -m pytest -q -n 2 -p no:schemathesis -m "not slow and not stack" tests/unit

coverage: $(READY) ## The same tests, slower, and which lines of functions/ and layers/ none of them reaches
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --cov --cov-report=term:skip-covered

check: $(READY) ## Format, lint, types, imports, template, security, locks
	@scripts/check

audit: $(READY) ## Compare every lock with the database of known vulnerabilities; says so where it cannot be asked
	@scripts/audit

format: $(READY) ## Put the code into the house format
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

template: $(READY) ## Write the parts of template.yaml that repeat for each topic and each CRM
	@$(BIN)/python -m stack_template

cost: $(READY) ## What a stack costs in an idle and in a busy month, counted in template.yaml at the prices of a date
	@$(BIN)/python scripts/cost.py

lock: $(READY) ## Resolve the locks anew (hashed, for every platform, naming no index)
	@scripts/lock

bench: $(READY) ## What the SDK costs on top of plain httpx, and a consumer's first and further events beside botocore
	@$(BIN)/python scripts/bench_sdk.py
	@$(BIN)/python scripts/bench_consumer.py

prove: $(READY) ## Put hostile requests to the receiver (REQUESTS=100000), import members in flat memory (MEMBERS=1000000), then judge the whole service over histories of members, in any order and under faults (HISTORIES=1000 SEED=0; ALL=1: all oddities)
	@PYTHONPATH=. $(BIN)/python scripts/prove_receiver.py $(if $(REQUESTS),--requests $(REQUESTS)) $(if $(SEED),--seed $(SEED))
	@PYTHONPATH=. $(BIN)/python scripts/prove_import.py $(if $(MEMBERS),--members $(MEMBERS))
	@PYTHONPATH=. $(BIN)/python scripts/prove_histories.py $(if $(HISTORIES),--histories $(HISTORIES)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(ALL),--all)
	@$(BIN)/python -m pytest -q -n 2 -m stack tests/judge/test_setbacks.py tests/contract/crm

prove-calls: $(READY) ## 100,000 updates of 40,000 members reach HubSpot in the fewest calls, also through an outage (minutes)
	@PYTHONPATH=. $(BIN)/python scripts/prove_mirrors.py

prove-stack: $(READY) ## What needs a deployment of its own: a month with all faults, an installation, the walkthrough, two stacks, one made anew, an update under traffic (minutes)
	@$(BIN)/python -m pytest -q -n 0 -m stack -rP tests/e2e tests/functional/cli/test_installed.py

build: $(READY) ## Build what `sam deploy` ships (RUNTIME=python3.13 ARCH=arm64; STRICT=1: fail where byte code is missing)
	@scripts/build

clean: ## Remove everything that was built or installed
	@rm -rf .venv .cache .aws-sam .run
