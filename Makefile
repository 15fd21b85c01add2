# Everything anyone needs: make demo · make test · make check · make fix. The first call sets up .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test check fix bench sprites sprites-check docs clean

demo: $(READY)
	$(BIN)/lorabooth demo --force

test: $(READY)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks $(BENCH)

docs: $(READY)
	$(BIN)/python -m lorabooth.reference > docs/config.md

sprites: $(READY)
	$(BIN)/python -m sprites all

sprites-check: $(READY)
	$(BIN)/python -m sprites check

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache

# torch first and alone, so that its pinned build is taken before anything asks for another.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)
