# Everything goes through here. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
ROOMS ?= 10
# The bench of the DTMF detector: Debian's Python, which has Debian's numpy.
PYTHON ?= /usr/bin/python3
# Not the seeds that the detector was made on.
SEEDS ?= 210 220 230
SCALE ?= 10
DTMF_BENCH = $(PYTHON) tests/dtmf-bench/bench.py --seeds "$(SEEDS)" --scale $(SCALE)
# Always the whole workspace: another selection would have other features, and be built again.
BINS = build --locked --workspace --bins
# But for a release, which is built for the bridge and its demo: a quarter less to compile and link.
RELEASE = build --locked --release -p partyline -p bridge-tests --bin partyline --bin demo

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup-build setup-test setup-bench
setup-build:
	@.ci/setup build
setup-test:
	@.ci/setup build test
setup-bench:
	@.ci/setup build bench

.PHONY: build
build: setup-build ## Build the bridge (target/release/partyline)
	$(CARGO) $(RELEASE)

.PHONY: demo
demo: setup-build ## Three phones call, talk, record, dial out; records and an invoice come out
	$(CARGO) $(RELEASE)
	target/release/demo

.PHONY: test
test: setup-test ## All tests: cores, simulated world, real sockets, sipp, baresip, Kamailio, kill -9, attacks
	$(CARGO) $(BINS)
	$(CARGO) test --locked --workspace
	$(MAKE) --no-print-directory canary crash inband interop torture-quick

.PHONY: canary
canary: ## A security passcode is typed in a call and then searched for everywhere
	$(CARGO) $(BINS)
	target/debug/canary

.PHONY: crash
crash: ## kill -9 in the middle of 50 calls, then look at every record and the recording
	$(CARGO) $(BINS)
	target/debug/crash

.PHONY: soak-rooms
soak-rooms: setup-build ## 100,000 generated conferences against the model of rooms, 4 minutes
	$(CARGO) test --locked -p bridge-tests --test rooms -- --ignored

.PHONY: town-hall
town-hall: setup-build ## A town hall of CALLERS=500 phones on real sockets, looked at caller by caller, 2 minutes
	$(CARGO) $(BINS) --release
	target/release/townhall --callers $(or $(CALLERS),500)

.PHONY: torture torture-quick
torture: setup-build ## Attack the bridge on loopback, 15 minutes; GUESSING=1: an hour
	$(CARGO) $(BINS) --release
	target/release/torture $(if $(GUESSING),--guessing)
torture-quick: setup-build ## The same attacks in a minute, with few tries
	$(CARGO) $(BINS)
	target/debug/torture --quick

.PHONY: inband
inband: ## 40 passcodes are keyed as tones, under speech and with lost packets
	$(CARGO) $(BINS)
	target/debug/inband --calls 40 --loss 1 --speech 15 --right 39

.PHONY: interop
interop: setup-test ## sipp, baresip and Kamailio call the bridge and are called
	$(CARGO) $(BINS)
	target/debug/interop

.PHONY: interop-more
interop-more: setup-test ## The same with PJSIP (PyPI) and JsSIP (npm), which Debian does not have
	@.ci/setup peers
	$(CARGO) $(BINS)
	python3 -m venv target/peers
	target/peers/bin/pip -q install pjsua2-python==2.15.1.post1
	npm --silent --prefix target/peers install jssip@3.13.8 jssip-node-websocket@3.0.0
	target/debug/interop pjsip jssip

.PHONY: sip-load
sip-load: setup-build ## OPTIONS a second on one processor; 500 calls a second for a minute, in memory and on disk
	$(CARGO) $(BINS) --release
	failed=0; \
	target/release/sipload options || failed=1; \
	target/release/sipload calls --folder /dev/shm/partyline-sipload || failed=1; \
	rm -rf /dev/shm/partyline-sipload; \
	target/release/sipload calls || failed=1; \
	exit $$failed

.PHONY: parse-cost
parse-cost: setup-bench ## Instructions to read an INVITE with its typed headers, beside rsip's bare parse
	$(CARGO) build --locked --release --workspace --example parse_cost
	tests/load/parse-cost target/release/examples/parse_cost

.PHONY: dtmf-bench
dtmf-bench: setup-bench ## The DTMF detector beside spandsp, into docs/dtmf.md (SCALE=1: in minutes)
	$(CARGO) $(RELEASE)
	$(CARGO) build --release --locked -p partyline-dtmf --example cost
	$(PYTHON) -m unittest discover -q -s tests/dtmf-bench
	$(DTMF_BENCH)

.PHONY: dtmf-cost
dtmf-cost: setup-bench ## Instructions of the DTMF detector beside spandsp's
	$(CARGO) build --release --locked -p partyline-dtmf --example cost
	$(DTMF_BENCH) --cost-only

.PHONY: dtmf-train
dtmf-train: setup-bench ## Learn the DTMF detector's weights; more to learn from: RECORDINGS="dir..."
	$(CARGO) build --release --locked -p partyline-dtmf --example looks
	$(PYTHON) -m unittest discover -q -s tests/dtmf-bench
	$(PYTHON) tests/dtmf-bench/train.py --draw $(RECORDINGS)

.PHONY: dtmf-calls
# spandsp is LGPL: it is built into a program of its own, to be quoted beside the bridge.
SPANDSP_LIST = target/spandsp/spandsp_list
dtmf-calls: setup-bench ## 2,000 passcodes keyed as tones in calls, spandsp beside; wants an idle machine
	$(CARGO) $(BINS)
	mkdir -p $(dir $(SPANDSP_LIST))
	cc -std=c11 -O3 -o $(SPANDSP_LIST) tests/dtmf-bench/spandsp_list.c -lspandsp
	failed=0; \
	target/debug/inband --loss 1 --speech 15 --right 995 --spandsp $(SPANDSP_LIST) || failed=1; \
	target/debug/inband --loss 3 --speech 5 --times 2 --spandsp $(SPANDSP_LIST) || failed=1; \
	exit $$failed

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

.PHONY: invoice-load
LEGS ?= 100000
invoice-load: setup-build ## An invoice over LEGS=100000 calls: its time, its memory, how long others wait
	$(CARGO) $(BINS) --release
	$(CARGO) run --release --locked -p partyline --example invoice_load target/release/partyline $(LEGS)

.PHONY: bench
bench: setup-build ## CPU of the media thread, 200 legs in a room
	$(CARGO) run --release --locked -p partyline-media-io --example floor 200 20

.PHONY: prompts
prompts: ## Speak prompts whose text changed (installs a voice, about 200 MB, once)
	dialplans/speak-prompts.py

.PHONY: mutants
mutants: setup-build ## MUTANTS=10000000 of RFC 4475's messages over every transport, to a whole user agent
	$(CARGO) run --release --locked -p partyline-fuzzing --example mutants -- $(or $(MUTANTS),10000000)

.PHONY: fuzz
fuzz: ## Feed every parser with inputs that grow, for SECONDS_EACH=60 each
	tests/fuzz/run $(or $(SECONDS_EACH),60)

.PHONY: bare
bare: ## make demo and make test in a bare Debian 12 root and a fresh clone (needs mmdebstrap)
	.ci/bare
