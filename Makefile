# The front door. `make help` lists what there is. Everything runs inside .venv, which is made from
# requirements.lock (hash-checked) the first time a target needs it.
SHELL := /bin/bash
PYTHON ?= python3
PROFILE ?= standard
NOTEBOOK ?=
# Only from the command line, and as it was typed: a path may have blanks, quotes and dollar signs in it.
SOURCE :=
override SOURCE := $(value SOURCE)
export SOURCE
ON_OWN = $(if $(SOURCE),--source "$$SOURCE")
VENV := .venv
BIN := $(VENV)/bin
# One stamp per lock: a changed lock sets the environment up again, an unchanged one costs nothing.
STAMP := $(VENV)/.whole-$(shell cksum < requirements.lock | cut -d' ' -f1)
# Made here and moved into place when it is whole: a set-up that fails or is interrupted leaves what was there.
NEW := build/venv
# What a notebook is without: outputs, and what an editor notes in it.
STRIP := --keep-id --extra-keys "metadata.language_info cell.metadata.editable cell.metadata.slideshow"
# Whatever the stamp says, it is made again when its Python is gone, or another than the one asked for (PYTHON=...).
AGAIN := $(shell test -x $(BIN)/python || echo gone) $(if $(filter-out file,$(origin PYTHON)),$(shell $(PYTHON) -c \
	'import os, sys; sys.exit(not os.path.isdir("$(VENV)/lib/python%d.%d" % sys.version_info[:2]))' 2>/dev/null || echo other))

# Exported before any kernel starts: TensorFlow reads these only once, at import.
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PYTHONHASHSEED ?= 0
export PYTHONUTF8 := 1
# Of the person's own settings, those that would put packages or modules elsewhere.
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT
export PIP_USER := 0
# Where networks are trained when not here: make reports DASK_SCHEDULER=tcp://host:8786
export DASK_SCHEDULER

# The published trainings, the committed results and what is made of them are about MNIST.
ifneq ($(SOURCE),)
$(foreach _,$(filter full check-records diff study try book readme,$(MAKECMDGOALS)),$(error make $_: SOURCE is not for it; it is for make reports, smoke, status and run))
endif

.PHONY: again help setup extras book run reports smoke full check-records status diff study try new test readme lint format lock lab clean
.DEFAULT_GOAL := help

help: ## list the targets
	@printf 'Handwritten digits: a report series\n\n'
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1|\2/' | column -t -s '|'
	@printf '\nOptions: SOURCE=path (reports, smoke, status, run: your own digits, a file or a folder, into build/own/; not for diff),\n'
	@printf '  NOTEBOOK=02 (one notebook, by number or name), FORCE=1 (run even if fresh), TIMEOUT=seconds (per notebook), PYTHON=python3.12,\n'
	@printf '  JOBS=2 (at most so many notebooks in work at a time, 1: one after the other; points of a study side by side), DASK_SCHEDULER=tcp://host:8786 (trainings, or the points of a study, on that Dask cluster)\n'

setup: $(STAMP) ## make .venv from requirements.lock (other targets do it by themselves)

# The name carries the lock's checksum, so its time does not matter: a clock set back would set up again every time.
# Nothing in it names the place where it lies, so that a copied or a moved folder works by itself: scripts that find the
# Python beside them, and the path to src/ from its own file.
$(STAMP): $(if $(strip $(AGAIN)),again) | requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "make: $(PYTHON) is Python %d.%d; 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..." % v)'
	@echo "Setting up $(VENV) from requirements.lock (a minute or two, once)"
	@rm -rf $(NEW)
	@$(PYTHON) -m venv $(NEW)
	@awk '/^[^ #]/ {keep = /^uv==/} keep' requirements.lock > $(NEW)/uv.txt
	@$(NEW)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(NEW)/uv.txt
	@echo 'relocatable = true' >> $(NEW)/pyvenv.cfg
	@$(NEW)/bin/uv pip sync --quiet --compile-bytecode --python $(NEW)/bin/python --require-hashes requirements.lock
	@$(NEW)/bin/uv venv --quiet --allow-existing --relocatable --python $(NEW)/bin/python $(NEW)
	@cd $(NEW)/bin && rm -f activate.csh pip* && printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m pip "$$@"\n' > pip && chmod +x pip
	@for place in $(NEW)/lib/python3.*/site-packages; do printf '../../../../src\n' > "$$place/digit-reports.pth"; done
	@mkdir -p $(NEW)/etc/jupyter && cp jupyter_nbconvert_config.json $(NEW)/etc/jupyter/
	@touch $(NEW)/$(notdir $@) && rm -rf $(VENV) && mv $(NEW) $(VENV)

extras: $(STAMP) ## fetch who wrote which digit (QMNIST's label files, 0.9 MB) for what reports say about writers; by hand: FILE=path
	@$(BIN)/python -m helpers.data.writers $(if $(FILE),--file "$(FILE)")

reports: $(STAMP) ## execute every stale notebook and render reports/*.html
	@$(BIN)/python -m helpers.reporting build --profile $(PROFILE) $(ON_OWN) $(if $(JOBS),--jobs $(JOBS)) $(if $(NOTEBOOK),--notebook $(NOTEBOOK)) $(if $(FORCE),--force) $(if $(TIMEOUT),--timeout $(TIMEOUT))

# What is given on the command line and is no option of this file is a parameter of the notebook; a name nobody knows is refused.
OPTIONS := NOTEBOOK SOURCE OUT PROFILE TIMEOUT PYTHON JOBS FORCE DASK_SCHEDULER
GIVEN = $(filter-out $(OPTIONS),$(foreach _,$(.VARIABLES),$(if $(findstring command line,$(origin $_)),$_)))
run: $(STAMP) ## one notebook with parameters of your own: NOTEBOOK=02 seed=7 penalties='[1, 10]' OUT=out.ipynb, and its page
	@$(BIN)/python -m helpers.reporting run --profile $(PROFILE) $(if $(OUT),--out "$(OUT)") $(if $(TIMEOUT),--timeout $(TIMEOUT)) -- "$(NOTEBOOK)" $(if $(SOURCE),"source=$$SOURCE") $(foreach _,$(GIVEN),"$_=$${$_}")

smoke: $(STAMP) ## run every notebook on a tiny budget into build/smoke/ (seconds, not science)
	@$(BIN)/python -m helpers.reporting build --profile smoke $(ON_OWN) $(if $(JOBS),--jobs $(JOBS)) $(if $(NOTEBOOK),--notebook $(NOTEBOOK)) $(if $(FORCE),--force) $(if $(TIMEOUT),--timeout $(TIMEOUT))

# No limit on time that a published schedule could reach: interrupted, it goes on from the last finished epoch.
full: $(STAMP) ## run every published training to its end (hours, in as many sittings as you like) into build/full/
	@$(BIN)/python -m helpers.reporting build --profile full --timeout $(or $(TIMEOUT),604800) --cell-timeout 604800 $(if $(NOTEBOOK),--notebook $(NOTEBOOK)) $(if $(FORCE),--force)

check-records: $(STAMP) ## repeat the first epoch of committed records by today's code: ONLY=name begins so (tens of minutes)
	@$(BIN)/python -m helpers.training.check_records $(ONLY)

status: $(STAMP) ## say which reports are fresh, which are stale, and why
	@$(BIN)/python -m helpers.reporting status --profile $(PROFILE) $(ON_OWN)

diff: $(STAMP) ## which results moved beyond noise, which verdicts changed since BASE=<git revision> (HEAD): build/diff.html
	@$(BIN)/python -m helpers.reporting diff --base "$(or $(BASE),HEAD)"

study: $(STAMP) ## run a notebook over lists of parameters, e.g. STUDY=studies/seeds.yaml, into build/studies/
	@$(BIN)/python -m helpers.reporting study "$(STUDY)" $(if $(JOBS),--jobs $(JOBS)) $(if $(FORCE),--force) $(if $(TIMEOUT),--timeout $(TIMEOUT))

try: $(STAMP) ## a page on which your own network reads what is drawn: MODEL=build/own/mine/model (as helpers.predict.train makes it)
	@$(BIN)/python -m helpers.reporting.try_it.page "$(MODEL)"

new: $(STAMP) ## begin a report: NAME=12_mine copies a notebook that runs as it is into notebooks/
	@$(BIN)/python -m helpers.reporting.new "$(NAME)"

test: $(STAMP) ## every test; browser tests run where a Chromium is installed
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

book: $(STAMP) ## print the rendered reports into one PDF with contents and page numbers, build/book.pdf (needs Chromium)
	@$(BIN)/python -m helpers.reporting.book

readme: $(STAMP) ## bring README.md's table of reports, its tree of modules and its picture of the front page up to date
	@$(BIN)/python -m helpers.reporting.readme

lint: $(STAMP) ## stripped notebooks, ruff and codespell
	@$(BIN)/nbstripout $(STRIP) --verify notebooks/*.ipynb || { echo "notebooks/: outputs, or what an editor left; make format removes them"; exit 1; }
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell

format: $(STAMP) ## format code and notebooks, strip outputs
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .
	@$(BIN)/nbstripout $(STRIP) notebooks/*.ipynb

lock: $(STAMP) ## make requirements.lock again from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --upgrade --quiet --output-file requirements.lock
	@echo "requirements.lock: $$(grep -c '==' requirements.lock) packages"

# Kernels start in the root, as under `make reports`: a relative path is the same file in both. Root needs leave to run
# it, which in a container everybody is.
lab: $(STAMP) ## open JupyterLab on 127.0.0.1, with its token (from a container: ARGS=--ip=0.0.0.0)
	@$(BIN)/jupyter lab --ip=127.0.0.1 --notebook-dir=notebooks --MappingKernelManager.root_dir="$(CURDIR)" \
		$(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

clean: ## remove build/ (executed notebooks, trained networks, logs); reports/ stays
	@du -sh build 2>/dev/null | sed 's/^/removing /' || true
	@rm -rf build
