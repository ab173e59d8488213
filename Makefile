# Everything a person or a machine does with this repository. Only Python 3.11 or later and make are needed.
#
#   make setup    build .venv from requirements.lock (once; the other targets do it by themselves)
#   make demo     start a router with simulated venues and place one routed order through HTTP
#   make check    before each commit: format, lint, types, and all tests that are quick. Under a minute on two cores
#   make test     everything, on every push and before a release: six minutes
#   make bench    the benchmarks; results are appended with commit and date
#   make conformance  let the venues' official clients trade on the simulators; writes docs/conformance.md. Needs
#                 Node and npm too, and fetches the clients. CONFORMANCE="NAME ..." takes these clients or venues only
#   make vectors  only the venues' golden vectors; CROSSBOOK_VECTORS=DIR reads them from another folder
#   make streams  10,000 streams of market data per venue over a bad line; CROSSBOOK_STREAMS=N tries N
#   make fuzz     5,000 calls made up from the interface's own description (docs/testing.md); N=20000 makes more
#   make sim      simulated days of the whole router with everything that goes wrong (docs/testing.md). SEED=7 shows one,
#                 N=50000 tries many, FIRST=70000 from there, LONG=1 longer ones, SIM_JOBS=1 on one core
#   make faults   routers in processes of their own, killed at every named point and at random (docs/testing.md): the
#                 whole of what `make test` tries a sample of, with floods, fuzz and streams. 22 minutes
#   make planted  plant faults in a copy of the tree, one at a time, and see the tests turn red (docs/testing.md)
#   make lock     resolve requirements.lock anew from pyproject.toml; LOCK_FLAGS=--upgrade takes newer versions
#   make conformance-lock  the same for each official client, from its requirements.in or package.json

PYTHON ?= python3
# More than two cores need: many tests wait for a socket.
JOBS ?= 4
BIN := .venv/bin
READY := .venv/ready
LOCK_TOOLS := build/lock-tools
COMPILED := build/collected-tests.txt
TEST_MODULES := $(shell find tests -name '*.py')
LOCK_HEADER := \# Resolved from pyproject.toml by "make lock"; do not edit. Names no host: any mirror can serve it.

RESOLVE := $(LOCK_TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header $(LOCK_FLAGS)

# What Python and pytest compile is kept, wherever the caller's environment says otherwise: half of a short run.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: setup demo check test lint types bench conformance vectors streams fuzz sim faults planted lock conformance-lock format

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'Crossbook needs Python 3.11 or later, and "$(PYTHON)" is not one.' >&2; \
	  echo 'Name one that is: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'This Python cannot make virtual environments.' >&2; \
	  echo 'On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	$(BIN)/crossbook demo

check: lint
	HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(BIN)/pytest -q -n $(JOBS) --dist worksteal -m 'not slow'

test: lint
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --silent --jobs=2 types $(COMPILED)

types: setup
	$(BIN)/mypy

# Beside mypy, which has one core; else each of pytest's workers would compile all test modules for itself.
$(COMPILED): $(READY) $(TEST_MODULES)
	@mkdir -p $(@D)
	@-$(BIN)/pytest -qq --collect-only >$@

bench: setup
	$(BIN)/python -m benchmarks

conformance: setup
	$(BIN)/python -m conformance $(CONFORMANCE)

vectors: setup
	$(if $(CROSSBOOK_VECTORS),CROSSBOOK_VECTORS='$(abspath $(CROSSBOOK_VECTORS))') $(BIN)/pytest -q tests/venues/test_vectors.py

streams: setup
	CROSSBOOK_STREAMS=$(or $(CROSSBOOK_STREAMS),10000) $(BIN)/pytest -q -n $(JOBS) --dist worksteal tests/venues/test_conformance_streams.py

fuzz: setup
	CROSSBOOK_FUZZ=$(or $(N),5000) $(BIN)/pytest -q -s tests/http/test_fuzz.py

sim: setup
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(N),--seeds $(N)) $(if $(FIRST),--first $(FIRST)) \
	  $(if $(LONG),--long) $(if $(SIM_JOBS),--jobs $(SIM_JOBS))

faults: setup
	CROSSBOOK_FAULTS=1 $(BIN)/pytest -q -n $(JOBS) --dist worksteal -m faults

planted: setup
	$(BIN)/python -m tests.planted $(PLANTED)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(LOCK_TOOLS)/bin/uv:
	$(PYTHON) -m venv $(LOCK_TOOLS)
	$(LOCK_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

lock: $(LOCK_TOOLS)/bin/uv
	$(RESOLVE) --extra dev -o requirements.lock pyproject.toml
	@printf '%s\n' '$(LOCK_HEADER)' | cat - requirements.lock > build/requirements.lock
	@mv build/requirements.lock requirements.lock

conformance-lock: $(LOCK_TOOLS)/bin/uv
	for wish in venues/*/conformance/*/requirements.in; do \
	  $(RESOLVE) --no-annotate -o $${wish%.in}.txt $$wish || exit 1; done
	for wish in venues/*/conformance/*/package.json; do \
	  npm install --prefix $${wish%/*} --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved \
	    --no-audit --no-fund || exit 1; done
