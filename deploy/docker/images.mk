# Images: an image of each service, and of the gateway. ENGINE is docker, podman or buildah.
ENGINE ?= $(firstword $(notdir $(shell command -v docker podman buildah 2>/dev/null)))
IMAGE_REPOSITORY ?= kith
IMAGE_TAG ?= latest
PYTHON_BASE ?=
NODE_BASE ?=
RUST_BASE ?=
IMAGE_FLAGS ?=
IMAGE_LABELS = --build-arg VERSION=$(IMAGE_TAG) --build-arg REVISION=$(shell git rev-parse HEAD) --build-arg CREATED=$(shell date -u +%Y-%m-%dT%H:%M:%SZ)
IMAGE_BUILD = $(ENGINE) build $(IMAGE_FLAGS) $(IMAGE_LABELS)
IMAGES := $(SERVICES) gateway

images: $(addprefix image-,$(IMAGES)) ## build all images: [ENGINE=docker|podman|buildah] [IMAGE_TAG=…] [PYTHON_BASE=…] [NODE_BASE=…]

image-gateway:
	$(IMAGE_BUILD) $(if $(NODE_BASE),--build-arg BASE=$(NODE_BASE)) -f deploy/docker/gateway.Dockerfile -t $(IMAGE_REPOSITORY)/gateway:$(IMAGE_TAG) .

# Not one of the images that are built unless it is named: its ten minutes are for those who want it.
image-router: ## build the image of the gateway in Rust, in ten minutes: [RUST_BASE=…]
	$(IMAGE_BUILD) $(if $(RUST_BASE),--build-arg BASE=$(RUST_BASE)) -f deploy/docker/router.Dockerfile -t $(IMAGE_REPOSITORY)/router:$(IMAGE_TAG) .

$(addprefix image-,$(SERVICES)): image-%:
	$(IMAGE_BUILD) $(if $(PYTHON_BASE),--build-arg BASE=$(PYTHON_BASE)) -f deploy/docker/Dockerfile --build-arg SERVICE=$* -t $(IMAGE_REPOSITORY)/$*:$(IMAGE_TAG) .

# Without a registry and without containers: on stand-ins of the base images, made from Debian's packages. As root.
# Unless IMAGES names some of them: all, and the router, where it is or can be built.
CHECKED_IMAGES := $(IMAGES)$(if $(filter file,$(origin IMAGES)),$(if $(wildcard $(HIVE_ROUTER))$(shell command -v cargo), router))
images-check: $(VENV)/.installed $(if $(filter router,$(CHECKED_IMAGES)),$(HIVE_ROUTER)) ## build all images, and start each as its user on a read-only root: [IMAGES="sales gateway"]
	@$(if $(filter command% router,$(origin IMAGES) $(CHECKED_IMAGES)),,echo 'There is no cargo here: the image of the router is left out' >&2; test -z "$$CI")
	@$(BIN)/python -m tests.images.build $(CHECKED_IMAGES)
	@KITH_IMAGES='$(CHECKED_IMAGES)' $(BIN)/pytest -q -n 0 -s --timeout=300 tests/images/check_images.py

# Passwords are random, and made once; a container's user reads its file, and no other user gets into the folder.
COMPOSE_SECRETS := postgres_password database_password database_owner_password keycloak_password client_secret grafana_password
compose-up: $(addprefix .kith/compose/,$(COMPOSE_SECRETS)) ## run all of Kith by Docker Compose, with Keycloak, Prometheus and Grafana
	docker compose -f deploy/compose.yaml up --build --wait

compose-down: ## stop it; its data stays
	docker compose -f deploy/compose.yaml down

.kith/compose/%:
	@mkdir -p .kith && mkdir -p -m 700 .kith/compose
	@umask 022 && $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24))' >$@

# What is in the images, by their locks, and what is known against it. Not in .venv: nothing else needs these two programs.
SUPPLY := $(TOOLS)/supply
NPM = $(shell $(BIN)/python -c 'from kith_local.node import npm; print(*npm())')
$(SUPPLY)/.installed: deploy/docker/supply.lock | $(VENV)/.installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SUPPLY)
	@$(BIN)/uv pip install --quiet --python $(SUPPLY)/bin/python --no-deps --require-hashes -r $<
	@touch $@

# Of the gateway also what only its tests use, as `optional`: asked to leave that out, npm leaves out graphql, too.
# Of the router, all that its lock names.
sbom: $(SUPPLY)/.installed ## write what each image holds, as CycloneDX, into .kith/sbom
	@mkdir -p .kith/sbom
	@for each in $(SERVICES); do PYTHONWARNINGS=ignore $(SUPPLY)/bin/cyclonedx-py requirements --output-reproducible --short-PURLs --of JSON \
	  --pyproject services/$$each/pyproject.toml -o .kith/sbom/$$each.cdx.json deploy/docker/$$each.lock || exit 1; done
	@$(if $(wildcard $(HIVE_ROUTER_LOCK)),$(BIN)/python -m deploy.tools.crates $(HIVE_ROUTER_LOCK) >.kith/sbom/router.cdx.json,echo 'The router is left out: make hive-router' >&2)
	@cd deploy/gateway && $(NPM) sbom --sbom-format cyclonedx --package-lock-only >$(abspath .kith/sbom/gateway.cdx.json)

# A package that could not be asked about is a failure: without --strict it would pass for sound.
audit: $(SUPPLY)/.installed ## compare what the images hold with the advisories of PyPI and npm
	@failed=; for each in $(SERVICES) build supply; do echo "$$each:"; \
	  $(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r deploy/docker/$$each.lock || failed=1; done; \
	echo "gateway:"; (cd deploy/gateway && $(NPM) audit --omit=dev) || failed=1; \
	test -z "$$failed" || { echo 'Something is vulnerable, or the advisories could not be reached: see above.' >&2; exit 1; }

HADOLINT := $(BIN)/hadolint
check-docker: $(VENV)/.installed ## lint the Dockerfiles
	$(HADOLINT) deploy/docker/Dockerfile $(wildcard deploy/docker/*.Dockerfile)

# What each image holds of what is locked for all, with the same hashes.
IMAGE_LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-emit-package kith --no-annotate --custom-compile-command "make lock" -c requirements.lock
lock-images: $(VENV)/.installed
	$(foreach each,$(SERVICES),$(IMAGE_LOCK) services/$(each)/pyproject.toml -o deploy/docker/$(each).lock &&) true
	echo hatchling | $(IMAGE_LOCK) - -o deploy/docker/build.lock
	printf 'cyclonedx-bom==7.5.0\npip-audit==2.10.1\n' | $(subst -c requirements.lock,,$(IMAGE_LOCK)) - -o deploy/docker/supply.lock


.PHONY: images images-check sbom audit compose-up compose-down check-docker lock-images $(addprefix image-,$(IMAGES)) image-router
