# Everything a user or a developer runs. `make demo` and `make test` need only python3 (>= 3.11),
# make and git; both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test soak check coverage bench clean install

demo: $(STAMP)
	@$(BIN)/atlasd demo

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

# The simulation on many more seeds, e.g. `make soak SEEDS=0-20000`; then kills at every act.
SEEDS ?= 0-2000
soak: $(STAMP)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS)
	@for seed in 0 1 2; do $(BIN)/python -m tests.simulation --every-act $$seed || exit 1; done

# The lint, type and import-contract checks that CI runs too.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The same tests, measured: every process that they start is counted too. Fails below the floors.
coverage: export COVERAGE_FILE := $(CURDIR)/.coverage.d/data
coverage: $(STAMP)
	@rm -rf .coverage.d && mkdir .coverage.d
	@COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml \
	  $(MAKE) --no-print-directory test PYTEST_ARGS="$(PYTEST_ARGS)"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage json --quiet -o .coverage.d/report.json
	@$(BIN)/python .ci/floors.py .coverage.d/report.json

bench: $(STAMP)
	@$(BIN)/python -m bench

install: $(STAMP)

# uv where it is there (faster), else venv and pip; both install the package and its dev group.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) must be Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python -e . --group dev; \
	else \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	    echo "make: python3 has no venv module here; run: apt-get install python3-venv" >&2; exit 1; }; \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e . --group dev; \
	fi
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .coverage.d .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
