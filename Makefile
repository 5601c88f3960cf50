# One-word targets; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help:
	@echo "demo test check coverage bench torture pictures format man completions reference wheel deb clean"

$(STAMP): pyproject.toml
	@echo "setting up $(VENV): once, a minute or so"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@# The systemd extra has no wheel: it is built where its headers are, and the program works without it.
	@if pkg-config --exists libsystemd 2>/dev/null; then \
	  $(BIN)/python -m pip install --quiet --use-pep517 --disable-pip-version-check --editable '.[systemd]' \
	  || { test -z "$$CI" && echo 'note: systemd-python could not be built; going on without it'; }; \
	fi
	@touch $@

demo: $(STAMP)
	$(BIN)/offcloud-watchd demo

# Each test runs once. Those of whole processes mostly wait, so they run four at a time. In CI the others
# also measure coverage; of whole processes it would slow them, and learn little.
WHOLE := tests/e2e tests/faults tests/packaging
COVERAGE := --cov --cov-report=term:skip-covered
test: $(STAMP)
	$(BIN)/python -m pytest $(if $(CI),$(COVERAGE)) $(WHOLE:%=--ignore=%)
	$(BIN)/python -m pytest -n 4 $(WHOLE)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

coverage: $(STAMP)
	$(BIN)/python -m pytest $(COVERAGE) $(WHOLE:%=--ignore=%)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m tests.bench

torture: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[torture]'
	$(BIN)/python -m pytest -m torture

man: $(STAMP)
	$(BIN)/python -B packaging/man.py build/man

reference: $(STAMP)
	$(BIN)/python -B packaging/reference.py docs/configuration.md

completions: $(STAMP)
	$(BIN)/python -B packaging/completions.py build/completions

wheel:
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install --quiet --disable-pip-version-check hatchling
	build/tools/bin/python -m hatchling build -d dist

deb:
	packaging/build-deb

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

pictures: $(STAMP)
	$(BIN)/python -m tests.browser.pictures docs/pictures

.PHONY: help demo test check coverage bench torture pictures format man completions reference wheel deb clean
