# tegata: `make help` lists what there is. Needs Python >= 3.11 and make; everything else is installed into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install develop debian run lint check collected test fuzz guess bench lock clean

# The first Python that is new enough, unless you say which: make PYTHON=/opt/python/bin/python3 run
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -rs
# Many tests wait (for processes that start, for clocks, for browsers), so twice as many run at once as there are cores.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))

# What Python compiled is kept, whatever the environment says: the tests' many processes load the same modules.
unexport PYTHONDONTWRITEBYTECODE

# What the tests need of Debian: other people's programs that judge us, and a browser with Japanese letters.
PACKAGES := python3-venv postgresql nginx-light chromium libnss3-tools fonts-noto-cjk openssl curl gnutls-bin \
	softhsm2 opensc libengine-pkcs11-openssl strongswan-pki libstrongswan-standard-plugins libstrongswan-extra-plugins scep \
	default-jre-headless testssl.sh systemd poppler-utils qpdf jq exim4-daemon-light

# Of Node's world only what installs the judges of pages; where there is an npm, it stays what it is.
PACKAGES += $(shell command -v npm >/dev/null || echo npm)
JUDGES := tests/judges
NPM := npm --no-audit --no-fund --no-update-notifier --ignore-scripts

COMPILE := pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

install: .venv/installed ## make .venv with the locked dependencies and tegata itself
develop: .venv/developed

run: install ## make a demo on the first time, then serve it until Ctrl-C
	@home="$${TEGATA_HOME:-var}"; \
	[ -e "$$home/demo.json" ] || $(BIN)/tegata init --demo || exit 1; \
	exec $(BIN)/tegata serve

lint: develop
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## the fast part of the tests, for every commit
	$(PYTEST) -m "not postgresql and not browser and not slow" --numprocesses auto --dist loadfile --no-loadscope-reorder

test: debian judges develop ## everything; installs what the tests need
	@$(MAKE) --no-print-directory --jobs=2 lint collected
	$(PYTEST) --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# While the linters keep one core busy: what the tests import is compiled once, not by each of the workers.
collected: develop
	@told=$$($(PYTEST) --collect-only --quiet 2>&1) || { echo "$$told" >&2; exit 1; }

fuzz: develop ## try every reader of the network with new inputs, for MINUTES=5; findings are kept in fuzz-found
	$(BIN)/python -W ignore -m tests.fuzz --minutes $${MINUTES:-5}

guess: develop ## 100,000 guesses by all interfaces, from one address and from 1,000; takes half an hour
	$(BIN)/python -W ignore -m tests.guessing

bench: develop ## measure, and write bench/results; takes minutes
	$(BIN)/python -m bench

lock: ## resolve the dependencies anew into requirements*.lock and tests/judges
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" \
	&& "$$tools/bin/pip" --quiet install pip-tools && export CUSTOM_COMPILE_COMMAND="make lock" \
	&& "$$tools/bin/"$(COMPILE) --output-file requirements.lock requirements.in requirements-build.in \
	&& "$$tools/bin/"$(COMPILE) --output-file requirements-dev.lock requirements-dev.in
	@cd $(JUDGES) && rm -rf package-lock.json node_modules && $(NPM) install --package-lock-only && $(PYTHON) lock.py

clean: ## remove .venv and caches; the home (var) stays
	rm -rf $(JUDGES)/node_modules .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis tests/screenshots
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/created:
	@[ -n "$(PYTHON)" ] || { echo "tegata needs Python 3.11 or newer, and there is none on PATH." >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) -m venv does not work here. On Debian the package python3-venv is missing: apt install python3-venv" >&2; exit 1; }
	@touch $@

.venv/installed: .venv/created requirements.lock pyproject.toml
	@echo "Installing the locked dependencies into .venv …"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/developed: .venv/installed requirements-dev.lock
	@echo "Installing what the tests need into .venv …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# As locked, and without what their authors run on installing. Without npm or a registry the tests that miss them are skipped by
# name (or fail, where all is required).
judges: $(JUDGES)/node_modules/.package-lock.json ## install what judges the pages, with npm
$(JUDGES)/node_modules/.package-lock.json: $(JUDGES)/package-lock.json
	@if command -v npm >/dev/null; then echo "Installing the judges of pages into $(JUDGES)/node_modules …"; \
		cd $(JUDGES) && $(NPM) ci --loglevel=error && touch node_modules/.package-lock.json \
			|| echo "The judges of pages could not be installed; tests that need them say so." >&2; \
	else echo "Not installed, for want of npm: the judges of pages" >&2; fi

# Without Debian or the right to install, the tests that miss something are skipped by name (or fail, where all is required).
debian:
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi; \
	if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
		echo "Installing Debian packages:" $$missing; \
		$$as_root apt-get update -q && $$as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -qy --no-install-recommends $$missing \
			|| echo "Some Debian packages could not be installed; tests that need them say so." >&2; \
	else echo "Not installed, and not installable from here:" $$missing >&2; fi
