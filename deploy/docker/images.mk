# Images: an image of each service, and of the gateway. ENGINE is docker, podman or buildah.
ENGINE ?= $(firstword $(notdir $(shell command -v docker podman buildah 2>/dev/null)))
IMAGE_REPOSITORY ?= kith
IMAGE_TAG ?= latest
IMAGE_FLAGS ?=
IMAGE_LABELS = --build-arg REVISION=$(shell git rev-parse HEAD) --build-arg CREATED=$(shell date -u +%Y-%m-%dT%H:%M:%SZ)
IMAGE_BUILD = $(ENGINE) build $(IMAGE_FLAGS) $(IMAGE_LABELS)
IMAGES := $(SERVICES) gateway

images: $(addprefix image-,$(IMAGES)) ## build all images: [ENGINE=docker|podman|buildah] [IMAGE_TAG=…] [IMAGE_FLAGS="--build-arg BASE=…"]

image-gateway:
	$(IMAGE_BUILD) -f deploy/docker/gateway.Dockerfile -t $(IMAGE_REPOSITORY)/gateway:$(IMAGE_TAG) .

$(addprefix image-,$(SERVICES)): image-%:
	$(IMAGE_BUILD) -f deploy/docker/Dockerfile --build-arg SERVICE=$* -t $(IMAGE_REPOSITORY)/$*:$(IMAGE_TAG) .

# Without a registry and without containers: on stand-ins of the base images, made from Debian's packages. As root.
images-check: $(VENV)/.installed ## build all images, and start each as its user on a read-only root: [IMAGES="sales gateway"]
	@$(BIN)/python -m tests.images.build $(IMAGES)
	@KITH_IMAGES='$(IMAGES)' $(BIN)/pytest -q -n 0 -s --timeout=300 tests/images/check_images.py 

# Passwords are random, and made once; a container's user reads its file, and no other user gets into the folder.
COMPOSE_SECRETS := postgres_password database_password database_owner_password keycloak_password client_secret grafana_password
compose-up: $(addprefix .kith/compose/,$(COMPOSE_SECRETS)) ## run all of Kith by Docker Compose, with Keycloak, Prometheus and Grafana
	docker compose -f deploy/compose.yaml up --build --wait

compose-down: ## stop it; its data stays
	docker compose -f deploy/compose.yaml down

.kith/compose/%:
	@mkdir -p .kith && mkdir -p -m 700 .kith/compose
	@umask 022 && $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24))' >$@

HADOLINT := $(BIN)/hadolint
check-docker: $(VENV)/.installed ## lint the Dockerfiles
	$(HADOLINT) deploy/docker/Dockerfile $(wildcard deploy/docker/*.Dockerfile)

# What each image holds of what is locked for all, with the same hashes.
IMAGE_LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-emit-package kith --no-annotate --custom-compile-command "make lock" -c requirements.lock
lock-images: $(VENV)/.installed
	$(foreach each,$(SERVICES),$(IMAGE_LOCK) services/$(each)/pyproject.toml -o deploy/docker/$(each).lock &&) true
	echo hatchling | $(IMAGE_LOCK) - -o deploy/docker/build.lock


.PHONY: images images-check compose-up compose-down check-docker lock-images $(addprefix image-,$(IMAGES))
