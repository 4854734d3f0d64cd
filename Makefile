# Everything a person types. `make help` lists it.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Each worker has a PostgreSQL of its own. More than the machine has cores makes it slower.
WORKERS ?= 2
PYTEST := $(RUN) -m pytest -q -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-vep test-long lint format bench loadtest concordance check-deploy lock clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp for each set of packages: an install happens once for each change of its lock file.
$(VENV)/run.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "GAS needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "Installing what GAS needs (once) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	@echo "Installing what the tests need (once) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/run.stamp ## Make .venv and install GAS with its pinned dependencies

demo: $(VENV)/run.stamp ## Annotate a real genome with the real service (KEEP=1 leaves it up)
	@$(VENV)/bin/gas demo $(if $(KEEP),--keep)

test: $(VENV)/dev.stamp ## Run the tests (under 5 minutes)
	@$(PYTEST) -m "not long" $(ARGS)

$(VENV)/vep.stamp: requirements-vep.lock $(VENV)/dev.stamp
	@echo "Installing what the engine vep needs, half a gigabyte (once) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-vep.lock
	@touch $@

test-vep: $(VENV)/vep.stamp ## Run the tests of the optional engine vep
	@$(RUN) -m pytest -q tests/contract/test_engines.py tests/unit/annotate/test_vep.py -k vep $(ARGS)

test-long: $(VENV)/dev.stamp ## Fuzzing, many seeds, interleavings, reloads, hosts that are cut off
	@$(PYTEST) --dist load -m long $(ARGS)

lint: $(VENV)/dev.stamp ## Style and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@GAS_SECRET_KEY=unused-here $(RUN) -m mypy

format: $(VENV)/dev.stamp ## Put the code into shape
	@$(RUN) -m ruff check --fix --quiet .
	@$(RUN) -m ruff format .

bench: $(VENV)/dev.stamp ## Measure speed, beside named baselines
	@$(RUN) -m bench

# Locust has an environment of its own: what it needs is nothing that GAS needs.
$(VENV)/loadtest.stamp: loadtest/requirements.lock $(VENV)/dev.stamp
	@echo "Installing what the load test needs (once) ..."
	@$(RUN) -m venv --clear $(VENV)/loadtest
	@$(VENV)/loadtest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r loadtest/requirements.lock
	@touch $@

loadtest: $(VENV)/loadtest.stamp ## Load both farms in turn and write a report (20 minutes)
	@$(RUN) -m loadtest --locust $(VENV)/loadtest/bin/locust $(ARGS)

concordance: $(VENV)/dev.stamp ## Compare our engine with Ensembl VEP, column by column
	@$(RUN) -m bench.concordance src/gas/reference/packs/demo bench/data/sim30k.vep115.chr20.vcf.gz

# A set of tools of its own: they are large, and pin other versions than GAS does.
deploy/.venv/stamp: deploy/requirements-check.lock
	@test -x deploy/.venv/bin/python || $(PYTHON) -m venv deploy/.venv
	@echo "Installing what checks deploy/ (once) ..."
	@deploy/.venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r deploy/requirements-check.lock
	@touch $@

check-deploy: $(VENV)/run.stamp deploy/.venv/stamp ## Check deploy/: AWS template, Helm chart, Dockerfile
	@deploy/.venv/bin/python deploy/checks $(ARGS)

lock: $(VENV)/dev.stamp ## Pin the newest versions that pyproject.toml allows
	@for extra in "" otel dev vep; do \
	  out=requirements$${extra:+-$$extra}.lock; \
	  $(RUN) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" $${extra:+--extra $$extra} pyproject.toml build-requirements.in -o $$out; \
	done
	@for part in loadtest/requirements deploy/aws/requirements deploy/requirements-check; do \
	  $(RUN) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" $$part.in -o $$part.lock; \
	done

clean: ## Remove what was made here
	rm -rf $(VENV) deploy/.venv deploy/build build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
