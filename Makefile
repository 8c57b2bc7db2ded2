# Everything a newcomer needs: `make demo`, `make test`. Each sets up all it needs by itself.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
export PYTHONPATH := src:.

.PHONY: setup demo test check bench soak docs lock clean peers

$(VENV)/.ready: requirements.lock pyproject.toml verify/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . --editable ./verify
	touch $@

setup: $(VENV)/.ready

peers:
	@sh tools/peers.sh

demo: $(VENV)/.ready
	$(BIN)/python -m ecluse demo --keep build/demo

# All of it, or with ARGS what they name.
test: $(VENV)/.ready peers
	$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),sh tools/suite.sh $(BIN)/python)

check: $(VENV)/.ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready peers
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.ready peers
	$(BIN)/python -m pytest -m soak --timeout=0 $(ARGS)

docs: $(VENV)/.ready
	$(BIN)/python tools/reference.py

lock:
	uv pip compile pyproject.toml --extra dev --extra build --universal --python-version 3.11 --generate-hashes --no-header --no-emit-find-links --output-file requirements.lock

clean:
	rm -rf build $(VENV)
