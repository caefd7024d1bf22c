# make help lists the targets. Everything needs only Go, Git and make, and `make test` a PostgreSQL server; tools are Go programs of pinned versions.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules

export CGO_ENABLED := 0
# The same flags for build, test and lint: the build cache tells them apart, and a Kubernetes compiled twice takes minutes.
export GOFLAGS += -trimpath
# Git must never ask a person for a password, and no tool may open a pager: nobody may be there.
export GIT_TERMINAL_PROMPT := 0
export GIT_PAGER := cat

GO       ?= go
MODULE   := github.com/fairlead-cd/fairlead
VERSION  ?= $(shell git describe --tags --always --dirty --match 'v*' 2>/dev/null || echo devel)
COMMIT   ?= $(shell git rev-parse HEAD 2>/dev/null)
ARGS     ?=
MINUTES  ?= 60
SEED     ?= $(shell echo $$RANDOM)
SEEDS    ?= 1000
# Tests on a control plane wait more than they compute.
PARALLEL ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

GOLANGCI_VERSION       := v2.15.0
CONTROLLER_GEN_VERSION := v0.23.0
GOLANGCI               := bin/golangci-lint-$(GOLANGCI_VERSION)

# The API server must report its true version: clients parse it. The required version in devcluster/go.mod is the one place that says it.
KUBERNETES := $(shell awk '$$1 == "k8s.io/kubernetes" {print $$2; exit}' devcluster/go.mod)
K8S_MINOR  := $(word 2,$(subst ., ,$(KUBERNETES)))
K8S_VERSION := k8s.io/component-base/version
K8S_LDFLAGS := -s -w -X $(K8S_VERSION).gitVersion=$(KUBERNETES) -X $(K8S_VERSION).gitTreeState=clean -X $(K8S_VERSION).gitMajor=1 -X $(K8S_VERSION).gitMinor=$(K8S_MINOR) -X k8s.io/client-go/pkg/version.gitVersion=$(KUBERNETES)
DEVCLUSTER_FILES := $(shell find devcluster -type f ! -name '*_test.go' ! -path '*/testdata/*')

# What `make generate` writes, and `make lint` holds to be current.
GENERATED := api docs/reference internal/schema/data

##@ Use
.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/fairlead bin/devcluster ## Build bin/fairlead and bin/devcluster, both static

.PHONY: demo
demo: build ## Show Fairlead at work on a control plane of its own; ARGS=--exit ends after the tour
	bin/fairlead demo $(ARGS)

.PHONY: bench
bench: build bin/bench ## Measure what Fairlead does and costs; takes minutes; ARGS="-n 100 -json FILE" is the quickest, ARGS=--help says more
	bin/bench $(ARGS)

##@ Change
.PHONY: sim
sim: bin/sim ## Play SEEDS=n simulated worlds in which things go wrong; ARGS=-exhaustive every single fault, ARGS=-mutations known bugs, ARGS=--help says more
	bin/sim -seeds $(SEEDS) -keep internal/sim/testdata/kept $(ARGS)

.PHONY: test
test: build bin/prometheus bin/helm ## Run all tests of all modules, those on a real control plane included
	code=0; \
	$(GO) test -timeout 45m -parallel $(PARALLEL) ./... || code=1; \
	(cd devcluster && $(GO) test -timeout 45m ./...) || code=1; \
	(cd test/sopsfiles && $(GO) run . open ../../internal/secret/sops/testdata/ours) || code=1; \
	exit $$code

.PHONY: crash
crash: build bin/helm ## Kill the controller at every write of every story, where `make test` takes a share of them
	$(GO) test ./test -run 'KilledAtEveryWrite|RehearsalKilled' -count=1 -timeout 0 -args -every-write

# What it does is drawn from the seed, which it prints: SEED=n does it again.
.PHONY: soak
soak: build ## Let a control plane, replicas, people and faults go on for MINUTES=n; then everything has to be as Git says, and memory flat
	$(GO) test ./test -run '^TestSoak$$' -count=1 -timeout 0 -v -args -soak=$(MINUTES)m -seed=$(SEED) $(ARGS)

.PHONY: large
large: build ## Measure what a changed line costs beside 1,000 definitions, 5,000 namespaces, a repository of 1 GB and an app of 10,000 objects
	$(GO) test ./test -run '^TestLarge$$' -count=1 -timeout 0 -v -args -large=1

# Those that are found, not those of a list. What makes one fail stays in testdata/fuzz beside it, and is a test from then on.
.PHONY: fuzz
fuzz: ## Try inputs that nobody has written, a minute for each fuzz target; ARGS=-fuzztime=10s is quicker
	code=0; \
	while IFS=: read -r file target; do \
		echo "==> $${target#func } of $$(dirname $$file)"; \
		$(GO) test -run='^$$' -fuzz="^$${target#func }\$$" -fuzztime=1m $(ARGS) "./$$(dirname $$file)" </dev/null || code=1; \
	done < <(grep -roE --include='*_test.go' '^func Fuzz\w*' internal cmd test api); \
	exit $$code

.PHONY: lint
lint: $(GOLANGCI) lint-generated ## Lint all modules; fail if generated files are not current
	code=0; \
	$(GO) vet ./... || code=1; \
	$(CURDIR)/$(GOLANGCI) run ./... || code=1; \
	for module in devcluster prometheus test/sopsfiles; do \
		(cd $$module && $(CURDIR)/$(GOLANGCI) run --config $(CURDIR)/.golangci.yml ./...) || code=1; \
	done; \
	exit $$code

.PHONY: lint-generated
lint-generated: generate
	@changed=$$(git status --porcelain -- $(GENERATED)); \
	if [ -n "$$changed" ]; then \
		git --no-pager diff -- $(GENERATED); \
		echo "generated files are not committed as they are generated; run 'make generate' and commit:" >&2; \
		echo "$$changed" >&2; \
		exit 1; \
	fi

.PHONY: format
format: $(GOLANGCI) ## Format all Go files of all modules
	$(CURDIR)/$(GOLANGCI) fmt ./...
	for module in devcluster prometheus test/sopsfiles; do (cd $$module && $(CURDIR)/$(GOLANGCI) fmt --config $(CURDIR)/.golangci.yml ./...); done

.PHONY: generate
generate: ## Write deepcopy code, CRDs, the schemas of Kubernetes and the reference pages anew
	$(GO) run sigs.k8s.io/controller-tools/cmd/controller-gen@$(CONTROLLER_GEN_VERSION) object crd:maxDescLen=1000 paths=./api/... output:crd:dir=api/crds
	$(GO) run ./internal/gen/schemas internal/schema/data
	$(GO) run ./internal/gen/reference docs/reference

.PHONY: clean
clean: ## Remove what the build and the demo left
	rm -rf bin .demo

# Go knows best whether its own output is current.
.PHONY: bin/fairlead
bin/fairlead:
	$(GO) build -ldflags '-s -w -X $(MODULE)/internal/cli.version=$(VERSION) -X $(MODULE)/internal/cli.commit=$(COMMIT)' -o $@ ./cmd/fairlead

.PHONY: bin/bench
bin/bench:
	$(GO) build -ldflags '-s -w' -o $@ ./cmd/bench

.PHONY: bin/sim
bin/sim:
	$(GO) build -o $@ ./cmd/sim

# Prometheus is a module of its own: nothing of it is a dependency of Fairlead.
.PHONY: bin/prometheus
bin/prometheus:
	cd prometheus && $(GO) build -ldflags '-s -w' -o $(CURDIR)/$@ .

# Helm itself judges what Fairlead records for it. It is a module of its own, too.
.PHONY: bin/helm
bin/helm:
	cd test/helm && $(GO) build -ldflags '-s -w' -o $(CURDIR)/$@ helm.sh/helm/v4/cmd/helm

# Linking a whole Kubernetes takes long even when nothing changed, so this one depends on its files.
bin/devcluster: $(DEVCLUSTER_FILES)
	cd devcluster && $(GO) build -ldflags '$(K8S_LDFLAGS)' -o $(CURDIR)/$@ .

$(GOLANGCI):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/golangci-lint $@
