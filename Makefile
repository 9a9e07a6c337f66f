# The front door. `make demo` shows what the library does, `make test` runs every test; the rest is for those who
# work on it. Every recipe is one call, so that the same can be done by hand.

CARGO ?= cargo
BENCH ?=
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?=
SOAK_ARGS ?=
STAGES ?=

.PHONY: help demo test tools bench fuzz soak fmt lint licences doc clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo      a million processes, links, monitors, kills, selective receive; prints a table'
	@echo 'make test      install what the tests need, then run all of them (STAGES="rust style" for some)'
	@echo 'make bench     measure against peers, print a TSV (BENCH="pingpong call" for some)'
	@echo 'make soak      run the long mixed load (SOAK_ARGS="SECONDS SEED")'
	@echo 'make fuzz      fuzz the decoders (FUZZ_SECONDS=600 for each, FUZZ_TARGETS="etf text" for some)'
	@echo 'make fmt       format the sources'
	@echo 'make lint      formatting, clippy, licences, shell scripts: what `make test` checks before it tests'
	@echo 'make licences  check the licences of all dependencies'
	@echo 'make doc       build the API documentation'
	@echo 'make tools     install what the tests need'
	@echo 'make clean     remove what was built'

demo:
	$(CARGO) run --locked --release -p krarup --example demo

test:
	ci/test $(STAGES)

tools:
	ci/tools

bench:
	bench/run $(BENCH)

fuzz:
	FUZZ_SECONDS='$(FUZZ_SECONDS)' ci/fuzz $(FUZZ_TARGETS)

soak:
	$(CARGO) run --locked --release -p krarup --example soak -- $(SOAK_ARGS)

fmt:
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

lint:
	ci/style

licences:
	ci/licences

doc:
	$(CARGO) doc --locked --workspace --no-deps

clean:
	$(CARGO) clean
	$(CARGO) clean --manifest-path fuzz/Cargo.toml
