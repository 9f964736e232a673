# One line a verb; `make` alone lists them. Each verb does its own set-up in .venv and in the user's cache folder.
PYTHON ?= python3
RUN := .venv/bin/python
PYTEST := .venv/bin/python -m pytest
# Two processes, each with a control plane of its own; a cluster that is named is one for all.
SPREAD := $(if $(CLUSTER),,-n 2 --dist loadfile --no-loadscope-reorder)
export OPENBLAS_NUM_THREADS ?= 1
# Where the environment forbids to keep bytecode, each of many processes would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help demo test check unit integration e2e crash crds golden bench control-plane requirements clean

demo: .venv/ready control-plane ## See VMs leave a node, about two minutes (KEEP=1 stays up, SVG=file keeps a picture)
	@$(RUN) -m demo $(if $(KEEP),--keep) $(if $(SVG),--svg $(SVG))

test: export HYPOTHESIS_PROFILE ?= thorough
test: unit integration e2e ## Everything but `crash`, on a real control plane

check: .venv/ready ## Format, lint, types, layers, and that generated files are what they should be
	@$(RUN) -m ruff format --check --quiet . || (echo "run: $(RUN) -m ruff format ." >&2; exit 1)
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m mypy
	@.venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@test ! -e operator/__init__.py -a ! -e testbed/__init__.py || (echo "operator/ and testbed/ are folders, not packages: remove their __init__.py" >&2; exit 1)
	@$(RUN) -m drover.api.crd --check crds charts/drover/files/crds
	@$(RUN) -m drover.api.reference --check docs/api.md
	@$(RUN) manifests/render.py --check

unit: .venv/ready ## Tests without a server, seconds (HYPOTHESIS_PROFILE=thorough tries as many examples as `test`)
	@$(PYTEST) tests/unit -q -n 2 --dist worksteal

integration: .venv/ready control-plane ## One component on the real API server
	@$(PYTEST) tests/integration -q $(SPREAD)

e2e: .venv/ready control-plane ## The operator as its users run it, a sample of `crash` among it
	@$(PYTEST) tests/e2e -q $(SPREAD)

crash: .venv/ready control-plane ## Kill the operator at every one of its writes, long
	@$(PYTEST) tests/e2e -q -m crash $(if $(SPREAD),-n 2)

crds: .venv/ready ## Write crds/ and the chart's copy from the models
	@$(RUN) -m drover.api.crd crds charts/drover/files/crds

golden: crds control-plane ## Write all generated files: CRDs, docs/api.md, manifests/install.yaml, pictures of the demo
	@$(RUN) -m drover.api.reference docs/api.md
	@$(RUN) manifests/render.py
	@$(RUN) -m tests.unit.demo.golden

bench: .venv/ready control-plane ## Run the benchmarks that the docs quote
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(RUN) $$bench || exit 1; done

control-plane: .venv/ready ## Find or build etcd, kube-apiserver and the rest; start nothing
	@$(RUN) -m controlplane build >/dev/null

requirements: .venv/ready ## Compile requirements/*.txt from pyproject.toml anew
	@.venv/bin/pip install --quiet uv
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements/operator.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -o requirements/dev.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group build -o requirements/build.txt

clean: ## Remove what was built here; the user's cache folder stays
	@rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Drover needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1)
	@echo "setting up .venv"
	@test -x .venv/bin/pip || $(PYTHON) -m venv --clear .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
