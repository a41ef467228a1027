# make venv | test | docs | pythons | regress | conformance | links | formal | demo | bench | bench-law | bench-limits | bench-external | bench-sparse | bench-partition | bench-slice | bench-counts | boards | real | clean
# Needs Python 3.11 or newer, a C++ compiler, make and perl.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= 2

HLS_VENV  := build/hls4ml-venv
HLS_STAMP := $(HLS_VENV)/.installed


.PHONY: venv test docs pythons regress conformance links formal lint demo bench bench-law bench-limits bench-external bench-sparse bench-partition bench-slice bench-counts real bench-hls4ml boards clean
.DELETE_ON_ERROR:

venv: $(STAMP)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rnngen needs Python 3.11 or newer, not %d.%d: make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt requirements-models.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all]'
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-models.txt
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy --strict rnngen

test: lint
	$(BIN)/python -m pytest -q -rs -n $(JOBS) --durations=15

# The documentation site, in build/docs; a warning is an error.
docs: $(STAMP)
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs

# The tests that say most in little time, on every Python that is found here and declared, each in an environment of its
# own; as PyPI's torch brings GPU libraries along, PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS may name a CPU build.
PYTHONS      ?= 3.11 3.12 3.13
PYTHON_TESTS := tests/test_imports.py tests/arith tests/config tests/ir tests/nn tests/host tests/frontend tests/cli tests/emit \
	tests/emulate tests/reuse tests/packaging tests/flow/test_simulate.py

pythons: $(PYTHONS:%=pythons-%)

pythons-%:
	@for found in python$* $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$*.*/bin/python; do \
		if $$found -c '' 2>/dev/null; then python=$$found; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Python $*: no interpreter here, not tested"; exit 0; fi; \
	own=build/pythons/$*; set -e; \
	[ -d $$own ] || $$python -m venv $$own; \
	$$own/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[all]'; \
	$$own/bin/python -m pip install --quiet --no-deps --requirement requirements-models.txt; \
	$$own/bin/python -m pytest -q -n $(JOBS) $(PYTHON_TESTS); \
	echo "$$($$own/bin/python -V): tested"

# Heavier than a change needs: many random networks and all of tests/heavy.txt, each in a simulator of its own.
regress: $(STAMP)
	RNNGEN_CIRCUITS=$(or $(CIRCUITS),80) $(BIN)/python -m pytest -q -n $(JOBS) tests/flow tests/boards tests/vendor tests/host tests/reuse \
		tests/packaging tests/docs tests/examples tests/emit tests/build tests/gateware/test_delta.py tests/conformance tests/leaves/test_mac_array.py tests/leaves/test_weight_spram.py

# All rows of CONFORMANCE.md, each in a simulator of its own; 8 minutes on two cores, less once built.
conformance: $(STAMP)
	$(BIN)/python -m bench.conformance --jobs $(JOBS)

# Links of all widths and PHYs, 10^6 cycles each; 10^7 words over a bad line; a table of what was measured.
links: $(STAMP)
	RNNGEN_LINKS=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/gateware/link
	$(BIN)/python -m bench.links

# The link protocol proved for more cycles than each change needs.
formal: $(STAMP)
	RNNGEN_FORMAL=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/formal

demo: $(STAMP)
	$(BIN)/python examples/silero_demo.py -o demo

bench: $(STAMP) $(HLS_STAMP)
	$(BIN)/python -m bench --hls4ml-python $(HLS_VENV)/bin/python

# Trained networks of others, from their files to the circuit.
real: $(STAMP)
	$(BIN)/python -m bench.real_networks

# The cycle law of every kind of recurrent layer, measured.
bench-law: $(STAMP)
	$(BIN)/python -m bench.cycle_law

# How near the dense datapath comes to its limit.
bench-limits: $(STAMP)
	$(BIN)/python -m bench.limits

# The clock of an unrolled layer, from place and route.
bench-slice: $(STAMP)
	$(BIN)/python -m bench.unrolled_slice

# Resources counted before synthesis, calibrated and compared with Yosys and nextpnr; ARGS=--cached: what was not done yet.
bench-counts: $(STAMP)
	$(BIN)/python -m bench.counts --fit $(ARGS)

# Every board that has open tools, to its bitstream: boards/records and docs/boards.md.
boards: $(STAMP)
	$(BIN)/python -m bench.boards

# Weights in external memory: what binds, planned and simulated.
bench-external: $(STAMP)
	$(BIN)/python -m bench.external

# Bank-balanced layers beside dense ones of as many multipliers.
bench-sparse: $(STAMP)
	$(BIN)/python -m bench.sparse

# Networks cut over several devices, planned and simulated.
bench-partition: $(STAMP)
	$(BIN)/python -m bench.partition

# hls4ml lives apart: its dependencies must not decide ours.
bench-hls4ml: $(HLS_STAMP)
	$(HLS_VENV)/bin/python bench/hls4ml_baseline.py

$(HLS_STAMP): bench/requirements-hls4ml.txt
	$(PYTHON) -m venv $(HLS_VENV)
	$(HLS_VENV)/bin/python -m pip install --quiet --requirement $<
	touch $@

clean:
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find rnngen tests sim bench examples -name __pycache__ -type d -prune -exec rm -rf {} +
