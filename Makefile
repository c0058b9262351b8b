# Everything runs from the checkout: .venv holds the Python packages, .kith holds data and downloads.
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := shared services/contacts services/sales services/service-desk services/analytics deploy/local

$(VENV)/.installed: requirements.lock $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --quiet requirements.lock
	@$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --quiet $(addprefix -e ./,$(DISTRIBUTIONS))
	@touch $@

.PHONY: install lock
install: $(VENV)/.installed

lock: ## resolve all dependencies again into requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-emit-package kith --custom-compile-command "make lock" --group dev shared/pyproject.toml deploy/local/pyproject.toml -o requirements.lock
