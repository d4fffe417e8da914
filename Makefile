# Everything a user or a developer runs. `make demo` and `make test` need only python3 (>= 3.11),
# make and git; both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
STAMP := $(VENV)/.installed

.PHONY: demo replay test soak fuzz pythons conformance check coverage bench clean install

demo: $(RUNTIME)
	@$(BIN)/atlasd demo

# History through the live path, with a picture: the S&P 500 since 2015 where its prices lie beside
# the checkout, else twenty stocks since 1994. Another span: make replay SPAN="--from ... --to ...".
PICTURE ?= replays/replay.png
replay: $(STAMP)
	@$(BIN)/python -m bench.picture $(PICTURE) $(SPAN)

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

# The simulation on many more seeds and all cores, e.g. `make soak SEEDS=0-20000`; then kills at
# every act of some calm days, then a flood of frames, then five years of calendar, YEARS times over,
# then each drill.
# WORKERS=1 leaves the other cores alone.
SEEDS ?= 0-2000
KILLED ?= 0-4
FRAMES ?= 1000000
YEARS ?= 40
soak: $(STAMP)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(if $(WORKERS),--workers $(WORKERS))
	@$(BIN)/python -m tests.simulation --every-act $(KILLED) $(if $(WORKERS),--workers $(WORKERS))
	@$(BIN)/python -m tests.fuzz.frames --frames $(FRAMES)
	@$(BIN)/python -m tests.core.test_five_years $(YEARS)
	@state=$$(mktemp -d); trap "rm -rf $$state" EXIT; ATLAS_ACCOUNT__MODE=local \
	  ATLAS_PATHS__STATE_DIR=$$state ATLAS_PATHS__LOG_DIR=$$state/logs $(BIN)/atlasd drill --all

# Coverage-guided fuzzing of every parser (atheris), on one core; `make fuzz MINUTES=60`.
MINUTES ?= 10
fuzz: $(STAMP)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
	if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --group fuzz; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz; \
	fi
	@$(BIN)/python -m tests.fuzz.targets --minutes $(MINUTES)

# One seed, the same bytes on each supported Python that this machine has.
pythons: $(STAMP)
	@$(BIN)/python .ci/pythons.py $(PYTHONS_ARGS)

# Other people's clients against the local broker; writes docs/conformance.md. Needs Node >= 20.
conformance: $(STAMP)
	@$(BIN)/python -m tests.conformance

# The lint, type and import-contract checks that CI runs too.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The same tests, in two parts; the first is measured with every process that it starts, and fails
# below the floors. What the second runs through is reached by the first too. Both wait at times, the
# second for longer, and more workers than there are cores work meanwhile.
UNMEASURED := tests/simulation tests/fuzz tests/e2e tests/bench tests/conformance tests/systemd \
  tests/house tests/runbook tests/dashboard/page/test_browser.py tests/cli/test_drill_for_real.py \
  tests/cli/test_who_it_is.py tests/cli/test_plan_bad_input.py tests/replay/test_bad_input.py \
  tests/promoter/test_from_paper_to_live.py tests/drillmaster/test_processes.py \
  tests/paper/exchange/test_conservation.py tests/paper/exchange/test_hours.py \
  tests/paper/market/test_synthetic.py tests/paper/test_load.py \
  tests/rehearsal/test_historical.py tests/strategy/test_regime_on_real_markets.py \
  tests/core/test_properties.py tests/core/test_storms.py tests/core/test_scenarios_flow.py \
  tests/core/test_five_years.py tests/core/test_weather.py tests/test_dark_broker.py \
  tests/test_stops.py
workers = -n $$(($$($(PYTHON) -c 'import os; print(os.cpu_count())') + $(1)))
coverage: export COVERAGE_FILE := $(CURDIR)/.coverage.d/data
coverage: $(STAMP)
	@rm -rf .coverage.d && mkdir .coverage.d
	@COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml \
	  $(MAKE) --no-print-directory test PYTEST_ARGS="$(call workers,1) $(UNMEASURED:%=--ignore %) $(PYTEST_ARGS)"
	@$(MAKE) --no-print-directory test \
	  PYTEST_ARGS="$(call workers,2) $(UNMEASURED) $(PYTEST_ARGS)"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage json --quiet -o .coverage.d/report.json
	@$(BIN)/python .ci/floors.py .coverage.d/report.json

bench: $(STAMP)
	@$(BIN)/python -m bench

install: $(STAMP)

# uv where it is there (faster), else venv and pip. A user needs the package, a developer its dev
# group too.
$(RUNTIME): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) must be Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python -e .; \
	else \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	    echo "make: python3 has no venv module here; run: apt-get install python3-venv" >&2; exit 1; }; \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e .; \
	fi
	@touch $(RUNTIME)

$(STAMP): $(RUNTIME)
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --group dev; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --group dev; \
	fi
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .conformance .pythons .fuzz .coverage.d .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
