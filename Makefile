# `make run` and `make test` do everything on a machine that has Python 3.11 to 3.13 with venv.
# They keep to an environment of their own in .venv (VENV=elsewhere to change that), and install
# again only when pyproject.toml, the interpreter or the place of this folder has changed.

PYTHON ?= python3
VENV := .venv

python := $(VENV)/bin/python
# Changes with the interpreter and with this folder's place: an environment survives neither.
key := $(shell { $(PYTHON) -V; pwd; } 2>&1 | cksum | cut -d ' ' -f 1)
made := $(VENV)/.made-$(key)
installed := $(VENV)/.installed-$(key)
installed_dev := $(VENV)/.installed-dev-$(key)
pip_install := $(python) -m pip install --disable-pip-version-check

# What the caller's shell is set up for stays outside.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV KERAS_BACKEND KERAS_HOME
unexport PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV
export PYTHONNOUSERSITE := 1

.PHONY: run test lint
.DELETE_ON_ERROR:

run: $(installed)
	$(VENV)/bin/gatescope demo

# One process more than processors, for tests of servers, browsers and killed trainings wait a lot.
test: $(installed_dev)
	$(python) -m pytest --numprocesses $$($(python) -c 'import os; print(1 + (os.cpu_count() or 1))') --dist loadfile

lint: $(installed_dev)
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(VENV)/bin/lint-imports

$(installed): pyproject.toml $(made)
	$(pip_install) --editable '.[cpu]'
	@touch $@

$(installed_dev): pyproject.toml $(made)
	$(pip_install) --editable '.[cpu,dev]'
	@touch $@ $(installed)

$(made):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'Error: $(PYTHON) is not Python 3.11, 3.12 or 3.13'; \
	  echo '  expected: TensorFlow 2.21 runs on these'; \
	  echo '  fix: PYTHON=python3.12 make $(MAKECMDGOALS)'; exit 1; } >&2
	@[ ! -e $(VENV) ] || ls $(VENV)/.made* >/dev/null 2>&1 || { \
	  echo 'Error: $(VENV) was not made by this Makefile'; \
	  echo '  expected: no $(VENV), or one that may be thrown away'; \
	  echo '  fix: rm -r $(VENV), or name another place: make VENV=.venv-make $(MAKECMDGOALS)'; \
	  exit 1; } >&2
	rm -rf $(VENV)
	@mkdir -p $(VENV) && touch $(VENV)/.made
	$(PYTHON) -m venv $(VENV)
	@touch $@
