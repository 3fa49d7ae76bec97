PYTHON ?= python3

.PHONY: check test format run bench

check:            ## format, lint, types and tests: what CI runs
	$(PYTHON) launch.py test

test:             ## tests only
	$(PYTHON) launch.py test tests

format:
	$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

run:
	$(PYTHON) launch.py

bench:            ## every promise of benchmarks/README.md, measured
	for script in benchmarks/*.py; do PYTHONPATH=. $(PYTHON) $$script || exit 1; done
