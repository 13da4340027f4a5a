# Everything goes through here. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
ROOMS ?= 10
# Always the whole workspace: another selection would have other features, and be built again.
BINS = build --locked --workspace --bins

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup-build setup-test
setup-build:
	@.ci/setup build
setup-test:
	@.ci/setup build test

.PHONY: build
build: setup-build ## Build the bridge (target/release/partyline)
	$(CARGO) $(BINS) --release

.PHONY: demo
demo: setup-build ## Three phones call, talk, record, dial out; records and an invoice come out
	$(CARGO) $(BINS) --release
	target/release/demo

.PHONY: test
test: setup-test ## All tests: cores, simulated world, real sockets, sipp, baresip, kill -9
	$(CARGO) $(BINS)
	$(CARGO) test --locked --workspace
	$(MAKE) --no-print-directory canary crash interop

.PHONY: canary
canary: ## A security passcode is typed in a call and then searched for everywhere
	$(CARGO) $(BINS)
	target/debug/canary

.PHONY: crash
crash: ## kill -9 in the middle of 50 calls, then look at every record and the recording
	$(CARGO) $(BINS)
	target/debug/crash

.PHONY: interop
interop: setup-test ## sipp and baresip call the bridge
	$(CARGO) $(BINS)
	target/debug/interop

.PHONY: check
check: setup-build ## Formatting, lints, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

.PHONY: load-setup
load-setup: build ## Make ROOMS=10 conferences with known passcodes for a load generator
	tests/load/setup $(ROOMS)

.PHONY: load
load: load-setup ## Start the bridge on those rooms, for a load generator beside it
	tests/load/serve

.PHONY: bench
bench: setup-build ## CPU of the media thread, 200 legs in a room
	$(CARGO) run --release --locked -p partyline-media-io --example floor 200 20

.PHONY: prompts
prompts: ## Speak prompts whose text changed (installs a voice, about 200 MB, once)
	dialplans/speak-prompts.py dialplans/prompts/catalogue.json dialplans/prompts

.PHONY: fuzz
fuzz: ## Feed every parser with inputs that grow, for SECONDS_EACH=60 each
	tests/fuzz/run $(or $(SECONDS_EACH),60)

.PHONY: bare
bare: ## make demo and make test in a bare Debian 12 root and a fresh clone (needs mmdebstrap)
	.ci/bare
