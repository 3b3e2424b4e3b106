# CuraGenie's tasks. `make` alone lists them; each target says what it does.
# Everything is installed into .venv from requirements/*.txt, where versions and hashes are locked.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-compile --require-hashes
SOURCES := core jobs serve tests

# Ray starts many Python processes: without byte-code on disk each compiles everything anew, and a start takes 30 s.
unexport PYTHONDONTWRITEBYTECODE
# pyright's wheel carries the version that the lock names; it need not ask whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help demo serve cluster test acceptance chaos fuzz check fmt bench bench-quick coverage lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## install, start everything, score a synthetic cohort through HTTP, stop
	@$(BIN)/curagenie demo

serve: $(VENV)/.runtime ## start the service on this machine and keep it running (Ctrl-C stops it)
	@$(BIN)/curagenie up

cluster: $(VENV)/.dev ## run docker-compose.yml as processes here: head, 2 workers, PostgreSQL, Valkey, S3; score a cohort (CLUSTER=--keep: stay up)
	@$(BIN)/python -m tests.cluster $(CLUSTER)

test: $(VENV)/.dev ## run the quick tests (at most 10 minutes)
	@$(BIN)/python -m pytest

acceptance: $(VENV)/.dev ## run the slow parity tests (CURAGENIE_ACCEPTANCE_DATA names the data)
	@$(BIN)/python -m pytest -m acceptance

chaos: $(VENV)/.dev ## every fault test, then MINUTES (30) of faults from SEED (1) on the cluster under load; tests/faults/RESULTS.md
	@$(BIN)/python -m pytest -m "chaos or not chaos" tests/faults tests/chaos
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),30) --record

fuzz: $(VENV)/.fuzz ## feed the VCF and FASTQ readers damaged files, FUZZ_SECONDS (600) each; failing files to .fuzz
	@$(BIN)/python -m tests.fuzz.run --seconds $(or $(FUZZ_SECONDS),600) --folder .fuzz

check: $(VENV)/.dev ## format, lint, layers, types, no index host: what CI runs first
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(NO_INDEX_HOST)

fmt: $(VENV)/.dev ## format the code and apply the safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## measure every speed goal beside the peers (20 minutes); writes tests/benchmarks/RESULTS.md
	@$(BIN)/python -m tests.benchmarks.compare $(BENCH)

bench-quick: $(VENV)/.dev ## the same on small cohorts, in two minutes; writes nothing (BENCH=--help: what there is)
	@$(BIN)/python -m tests.benchmarks.compare --quick $(BENCH)

coverage: $(VENV)/.dev ## run the quick tests and print the branch coverage
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage report

clean: ## remove everything that make and the tests made
	rm -rf $(VENV) .bench .fuzz build dist .coverage .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find $(SOURCES) configs -name __pycache__ -type d -prune -exec rm -rf {} +

# The files must install from whatever index a machine is set up with, so none may name one. (The brackets keep this
# line from finding itself.)
define NO_INDEX_HOST
git grep --no-index --exclude-standard -nIE \
	  'p[y]pi\.org|p[y]thonhosted|n[p]mjs\.|-[-](extra-)?index-url|"resolved": *"http' -- . >&2; \
	case $$? in 0) echo 'make: the lines above name a package index.' >&2; exit 1;; 1) ;; *) exit 2;; esac
endef

# --- The environment: three stamps, each on top of the one before ----------------------------------------------------

$(VENV)/bin/python:
	@$(CREATE_VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "make: installing the locked runtime requirements into $(VENV) (the first time: a minute or two) …"
	@$(PIP_INSTALL) -r requirements/runtime.txt
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps --no-build-isolation -e .
	@$(COMPILE_BYTE_CODE)
	@echo "make: compiling the kernels for this machine (the first time: half a minute) …"
	@$(BIN)/python -m jobs.warm_up >/dev/null
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "make: installing what tests and checks need …"
	@$(PIP_INSTALL) -r requirements/dev.txt
	@$(COMPILE_BYTE_CODE)
	@touch $@

$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	@echo "make: installing the fuzzer …"
	@$(PIP_INSTALL) -r requirements/fuzz.txt
	@$(COMPILE_BYTE_CODE)
	@touch $@

COMPILE_BYTE_CODE = $(BIN)/python -m compileall -q -j 0 $(VENV)/lib core jobs serve >/dev/null || true

define CREATE_VENV
python=; \
	for candidate in $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3); do \
	  if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then \
	    python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo 'make: CuraGenie needs Python 3.11 to 3.14, and found none.' >&2; \
	  echo '      Debian 12, Ubuntu 24.04 and later have it: apt-get install python3 python3-venv; or name one: make PYTHON=/path/to/python3.11 …' >&2; \
	  exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "make: $$(command -v $$python) has no venv module. Install it (apt-get install python3-venv), or name another Python: make PYTHON=/path/to/python3.11 …" >&2; \
	  exit 1; fi; \
	echo "make: creating $(VENV) with $$("$$python" --version) …"; \
	"$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
endef

# uv resolves for every platform and Python at once; it is needed for this alone, so it gets a folder of its own.
lock: $(VENV)/bin/python ## resolve pyproject.toml again into requirements/*.txt (UPGRADE=1 takes newer versions)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	  $(BIN)/python -m venv "$$scratch" && "$$scratch/bin/pip" --disable-pip-version-check install -qq uv && \
	  $(call COMPILE_LOCK,runtime,$(PROJECT)) && \
	  $(call COMPILE_LOCK,dev,$(PROJECT) -c requirements/runtime.txt --group test --group lint) && \
	  $(call COMPILE_LOCK,fuzz,-c requirements/dev.txt --group fuzz)

PROJECT := --group build pyproject.toml
COMPILE_LOCK = "$$scratch/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	$(if $(UPGRADE),--upgrade) --custom-compile-command "make lock" $(2) -o requirements/$(1).txt
