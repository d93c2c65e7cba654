# make help tells what there is. Everything works offline once the modules are
# downloaded; nothing is needed but Go and make. The second verifier of bundles is
# tested where Node and npm are, after make verifier.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
# Where make run puts its network, and which ports it takes (to PORT + 99). What an
# earlier run left there is thrown away; another directory must be empty.
DIR ?= $(CURDIR)/bin/localnet
PORT ?= 8080
# How long make fuzz runs each target.
FUZZTIME ?= 20s

RACED = ./app/store ./api/...
# Tests of the state machine's views, pools and caches, which others use beside it; its
# rules run in one goroutine.
SHARED = View|Pool|Ahead|FewOf|Snapshot|Beside|Replica|Anticip|Verifier|EventHash|Archive|Erase|Overdue|Hostile|Lying|Recall|Govern

.PHONY: help build run test vet staticcheck house unit race e2e check bench fuzz verifier

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "  run takes PORT=$(PORT) (to PORT + 99) and DIR=$(DIR); fuzz takes FUZZTIME=$(FUZZTIME)"

build: ## build bin/waybill
	$(GO) build -o bin/waybill ./node/waybill

run: build ## start a local network of four partners, play a story into it, print its trace, stay up
	@if [ "$(DIR)" = "$(CURDIR)/bin/localnet" ]; then \
		pids=$$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' $(DIR)/partners.json 2>/dev/null || true); \
		for pid in $$pids; do if kill -0 $$pid 2>/dev/null && compgen -G '$(DIR)/*/data/control.sock' >/dev/null; then \
			echo "a network runs in $(DIR) (process $$pid): interrupt it, or choose another place: make run DIR=... PORT=..." >&2; exit 1; \
		fi; done; \
		rm -rf $(DIR); \
	fi
	bin/waybill localnet --partners 4 --home $(DIR) --base-port $(PORT) --demo

test: vet staticcheck house unit race e2e ## everything that has to pass: what CI runs

check: vet staticcheck house unit ## what to run before every commit: test without race detector and processes

vet: ## go vet, and gofmt
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "run gofmt on:" $$unformatted; exit 1; fi

staticcheck: ## staticcheck, of the version in go.mod
	$(GO) tool staticcheck ./...

house: ## the rules of the repository itself: imports, banned calls, sizes
	$(GO) test -count=1 ./e2e/house

unit: ## all tests but those with several processes
	$(GO) test -short ./...

race: ## unit tests again under the race detector, where goroutines share state
	$(GO) test -short -race -skip 'Verifiers|TestLarge' $(RACED)
	$(GO) test -short -race -run '$(SHARED)' ./app

e2e: ## four processes: kills, quorum lost and regained, attacks, bundles, conformance documents
	$(GO) test -count=1 -timeout 20m -parallel 3 ./e2e

verifier: ## fetch the compiler of the second verifier (api/audit/verifier), and compile it
	cd api/audit/verifier && npm ci && npm run build

bench: build ## load four local nodes and print what they do (docs/benchmarks.md)
	$(GO) test -run '^$$' -bench 'Execute|Trace|Verify|DecodeEvent|Commit' ./schemas/... ./app/...
	bin/waybill bench

fuzz: ## run every fuzz target for FUZZTIME
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done
