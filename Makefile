# Everything runs from the checkout: .venv holds the Python packages, .kith holds data and downloads.
# What installs speaks on stderr, so that `make -s token` prints a token and nothing else.
.DEFAULT_GOAL := help
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
KITH := $(BIN)/python -m kith_local
SERVICES := contacts sales service-desk analytics
DISTRIBUTIONS := shared $(addprefix services/,$(SERVICES)) deploy/local

# PYTHON=... chooses one; else the first that is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# A dozen processes share these packages: where byte code may not be kept, each start takes half a minute more.
export PYTHONDONTWRITEBYTECODE :=

include deploy/tools/tools.mk

## Run it

help: ## list what can be made
	@awk 'BEGIN {FS = ":.*## "} /^## / {printf "\n%s\n", substr($$0, 4)} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## bring all Python packages into .venv

run: $(VENV)/.installed deploy/gateway/node_modules/.installed ## run everything until Ctrl-C (BUS=kafka: on a real Kafka)
	@$(KITH) run

start: $(VENV)/.installed deploy/gateway/node_modules/.installed ## the same in the background; returns when all is ready
	@$(KITH) start

stop: $(VENV)/.installed ## stop what start started
	@$(KITH) stop

status: $(VENV)/.installed ## what runs where
	@$(KITH) status

doctor: $(VENV)/.installed ## what is wrong with what runs here, in words, and what to do
	@$(KITH) doctor

TO ?=
backup: $(VENV)/.installed ## back up what runs here: TO=folder
	@$(KITH) backup --to '$(TO)'

FROM ?=
restore: $(VENV)/.installed ## put a backup in the place of the data, once all is stopped: FROM=folder/2026-… [TO=instant]
	@$(KITH) restore --backup '$(FROM)' --to '$(TO)'

reset: $(VENV)/.installed ## stop, and clear all data; downloads stay
	@$(KITH) reset

TENANT ?=
token: $(VENV)/.installed ## print an access token: make -s token TENANT=demo [SCOPES="sales:read"] [SUBJECT=ann [EMAIL=ann@example.org]]
	@$(KITH) token --tenant '$(TENANT)' --scopes '$(SCOPES)' --subject '$(SUBJECT)' --email '$(EMAIL)'

replay: $(VENV)/.installed ## send recorded data through the API: DATA=folder SET=retail|b2b|desk|bank|saas|all [TENANT=name] [END=now]
	@$(KITH) replay --data '$(DATA)' --set '$(SET)' $(if $(TENANT),--tenant '$(TENANT)') $(if $(END),--end '$(END)')

NOUN ?=
ID ?=
OUT ?=
personal-data: $(VENV)/.installed ## write all that is held of a person into a folder: NOUN=customer|contact ID=id OUT=folder TENANT=name
	@$(KITH) personal-data --tenant '$(TENANT)' --noun '$(NOUN)' --id '$(ID)' --out '$(OUT)'

silence: $(VENV)/.installed ## show on recorded data what silence alone sets off: DATA=folder [TENANT=name]
	@$(KITH) silence --data '$(DATA)' $(if $(TENANT),--tenant '$(TENANT)')

## Work on it

# One more than there are cores: those with the house, Kafka and the recorded data wait for these some of the time.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
TESTS := $(BIN)/pytest -n '$(WORKERS)' --maxprocesses=8
test: $(VENV)/.installed deploy/gateway/node_modules/.installed ## run the tests, in one process more than there are cores: [WORKERS=0]
	@$(TESTS)

prove: $(VENV)/.installed deploy/gateway/node_modules/.installed ## run them with coverage, and at full length what make test does in part
	@KITH_MACHINE_RUNS='$(RUNS)' KITH_FUZZ_CASES='$(CASES)' KITH_CORPUS_EVERY=1 KITH_REPLAY_WHOLE=1 KITH_RESTARTS=20 KITH_MERGED_PAIRS=1000 KITH_PROVE=1 \
	  $(TESTS) --cov --cov-report=term-missing:skip-covered

check: check-style check-types check-imports check-migrations check-contracts ## lint, format, types, import rules, migrations, contracts: [-j2]

check-style: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

check-types: $(VENV)/.installed
	$(BIN)/mypy shared/src deploy/local/src deploy/tools deploy/checks deploy/cluster $(wildcard services/*/src) tests

check-imports: $(VENV)/.installed
	$(BIN)/lint-imports

check-migrations: $(VENV)/.installed
	@$(KITH) check-migrations

check-contracts: $(VENV)/.contracts-checked

format: $(VENV)/.installed ## format, and fix what can be fixed
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

quick: $(VENV)/.installed ## lint, types and tests of one service, in under a minute: SERVICE=sales
	@$(BIN)/ruff check --quiet $(SOURCE) $(SOURCE_TESTS)
	@$(BIN)/mypy $(SOURCE) $(SOURCE_TESTS)
	@$(BIN)/pytest -q -n '$(WORKERS)' --maxprocesses=8 $(SOURCE_TESTS) tests/contracts -k 'not contracts or $(SERVICE) or $(PACKAGE)'
PACKAGE = $(subst -,_,$(SERVICE))
SOURCE = services/$(SERVICE)/src/$(PACKAGE)
SOURCE_TESTS = tests/$(PACKAGE)

RUNS ?= 1000
SEED ?=
machine: $(VENV)/.installed ## figures kept live against a recomputation, whatever goes wrong: RUNS=10000 [SEED=7]
	@KITH_MACHINE_RUNS='$(RUNS)' $(BIN)/pytest tests/analytics/machine/test_machine.py -q -s $(if $(SEED),--hypothesis-seed='$(SEED)')

CASES ?= 2000
fuzz: $(VENV)/.installed ## what each service answers, against its OpenAPI document: CASES=2000 for each
	@KITH_FUZZ_CASES='$(CASES)' $(BIN)/pytest tests/reliability/test_contract_fuzz.py -q

VERSION ?= $(shell git rev-parse --short HEAD)
freeze: $(VENV)/.installed ## keep a house as this code writes and answers it, for later code to be held to: [VERSION=name]
	@$(BIN)/python -m tests.upgrade '$(VERSION)'

bench: $(VENV)/.installed ## measure, each beside its ceiling: [WORK="fold freshness"]
	@$(BIN)/python -m tests.bench $(WORK)

check-rules: $(VENV)/.installed $(PROMTOOL) ## check the rules for Prometheus, and that each alert fires
	@cd deploy/prometheus && $(PROMTOOL) check config prometheus.yml && \
	  $(PROMTOOL) test rules kith.test.yml kith-slo.test.yml

check-deploy: check-rules check-docker sbom $(VENV)/.installed $(HELM) $(KUBECONFORM) $(KUSTOMIZE) $(COMPOSE) $(TOOLS)/schemas/.collected ## check what is deployed, without a cluster
	@$(BIN)/python -m pytest deploy/checks -q -n 2

freeze-chart: $(VENV)/.installed $(HELM) ## keep the chart of today, for the next release to be upgraded from: for each release
	@$(BIN)/python -m deploy.cluster.former

VALUES ?=
cluster-check: $(VENV)/.installed $(HELM) $(CONTROL_PLANE) $(TOOLS)/schemas/.collected ## install, upgrade and roll back the chart on a real control plane: [VALUES=file]
	@$(BIN)/python -m deploy.cluster $(VALUES)

contracts: $(VENV)/.installed deploy/gateway/node_modules/.installed ## write schema.graphql, openapi.json, event schemas, supergraph, lists of metrics and settings
	@$(KITH) contracts

migration: $(VENV)/.installed ## draft a migration: SERVICE=sales NAME="add a column"
	@$(KITH) migration --service '$(SERVICE)' --name '$(NAME)'

noun: $(VENV)/.installed ## write the skeleton of a noun: SERVICE=sales NAME=quote [PLURAL=quotes]
	@$(KITH) noun --service '$(SERVICE)' --name '$(NAME)' --plural '$(PLURAL)'

lock: $(VENV)/.installed ## resolve all dependencies again into requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-emit-package kith --custom-compile-command "make lock" --group dev shared/pyproject.toml \
	  services/contacts/pyproject.toml services/analytics/pyproject.toml deploy/local/pyproject.toml -o requirements.lock
	@$(MAKE) --no-print-directory lock-images

## Deploy it

include deploy/docker/images.mk

# All that help lists, and the parts of check.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*## .*/\1/p' $(MAKEFILE_LIST)) check-style check-types check-imports check-migrations check-contracts

# Installing. Each stamp is as old as the last time what it stands for was brought up to date.

$(VENV)/.installed: requirements.lock $(addsuffix /pyproject.toml,$(DISTRIBUTIONS))
	@{ test -n '$(PYTHON)' || { echo 'Kith needs Python 3.11 or newer, and found none. Install one, or name it: make PYTHON=/path/to/python3'; exit 1; }; \
	echo 'Installing the Python packages into $(VENV) (once)'; \
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo 'This Python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv'; exit 1; }; \
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	} >&2
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock >&2
	@$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ./,$(DISTRIBUTIONS)) >&2
	@touch $@

# The folders too: what is taken out of one is a change.
CONTRACT_SOURCES := $(shell find shared services deploy/local/src deploy/gateway deploy/grafana deploy/prometheus deploy/helm/kith/files docs/*.md deploy/unit-costs.json \
	\( -name __pycache__ -o -name node_modules -o -name '*.egg-info' \) -prune -o -print)

$(VENV)/.contracts-checked: $(VENV)/.installed deploy/gateway/node_modules/.installed $(CONTRACT_SOURCES)
	$(KITH) contracts --check
	@touch $@

deploy/gateway/node_modules/.installed: deploy/gateway/package-lock.json deploy/gateway/package.json | $(VENV)/.installed
	@echo "Installing the gateway's packages (once)" >&2
	@$(KITH) gateway-install >&2
	@touch $@
