# Every command a person or CI runs. `make` lists them.
SHELL := bash
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Unit tests and the demo do without TLS: it builds OpenSSL from source, one to two minutes and perl.
PLAIN := --no-default-features
# Arguments for the demo: make demo ARGS="--orders 1000 --rate 0"
ARGS ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##### See it run

.PHONY: demo
demo: ## the whole pipeline in one process, no Kafka needed; ARGS="--orders 1000 --rate 0"
	@testbed/needs cargo cc c++ make bash
	@cargo build --release $(PLAIN) --package worker
	@$(TARGET)/release/worker demo $(ARGS)

.PHONY: build
build: ## all crates, for development, without TLS
	cargo build --workspace --all-targets $(PLAIN)

.PHONY: release-build
release-build: ## the worker as it is shipped, with TLS (needs perl)
	@testbed/needs cargo cc c++ make perl
	ORDERPIPELINE_REVISION=$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown) \
	  cargo build --release --locked --package worker
	@ls -l $(TARGET)/release/worker

##### Test it

# Each step with the seconds it may take on two cores and nothing built yet.
.PHONY: test
test: ## lint, unit, kafka-test, registry-test, torture-test; ends with "N passed, N failed"; with CI=true a skip is a failure
	@testbed/run-steps lint=900 unit=1200 kafka-test=900 registry-test=300 torture-test=420

.PHONY: lint
lint: format-check clippy rustdoc tidy deny shellcheck yamllint ## everything that reads the code without running it

.PHONY: unit
unit: ## laws, golden files, conversations and the embedded broker
	@testbed/needs cargo cc c++ make
	cargo test --workspace --exclude tidy $(PLAIN)

.PHONY: kafka-test
kafka-test: ## integration tests on an Apache Kafka broker, with TLS (needs java 17, mvn, openssl, perl)
	@testbed/needs cargo cc c++ make
	@testbed/or-skip kafka-test testbed/needs perl openssl -- testbed/or-skip kafka-test testbed/kafka/up.sh --check -- \
	  cargo test --package worker --test real_kafka -- --skip registry_

.PHONY: registry-test
registry-test: ## the same with a schema registry and Confluent's serializers (also needs curl, unzip and python3)
	@testbed/needs cargo cc c++ make
	@testbed/or-skip registry-test testbed/needs perl -- testbed/or-skip registry-test testbed/kafka/up.sh --check -- \
	  testbed/or-skip registry-test testbed/registry/up.sh --check -- \
	  testbed/or-skip registry-test testbed/registry/confluent.sh --check -- \
	  cargo test --package worker --test real_kafka registry_

TORTURE := cargo test --package worker $(PLAIN) --test torture

.PHONY: torture
torture: ## faults at random times on a real broker, then an oracle compares; SECONDS=900 SEED=7
	@testbed/needs cargo cc c++ make
	@TORTURE_SECONDS=$(or $(SECONDS),900) TORTURE_SEED=$(SEED) $(TORTURE)

.PHONY: torture-test
torture-test: ## the same for three minutes, always with the same faults (needs java 17 and mvn)
	@testbed/needs cargo cc c++ make
	@testbed/or-skip torture-test testbed/kafka/up.sh --check -- env TORTURE_SECONDS=180 TORTURE_SEED=1 $(TORTURE)

##### Parts of lint

.PHONY: format
format: ## rewrite the sources as rustfmt wants them
	cargo fmt --all

.PHONY: format-check
format-check:
	cargo fmt --all --check

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets $(PLAIN) -- --deny warnings
	@testbed/or-skip lint testbed/needs perl -- cargo clippy --package worker --all-targets -- --deny warnings

.PHONY: rustdoc
rustdoc:
	RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --workspace --no-deps --document-private-items $(PLAIN)

.PHONY: tidy
tidy:
	cargo test --package tidy

.PHONY: deny
deny:
	@testbed/with-tool cargo-deny --workspace check --hide-inclusion-graph bans licenses sources

.PHONY: shellcheck
shellcheck:
	@testbed/with-tool shellcheck $$(grep -rlIE '^#!.*\b(ba)?sh$$' --exclude='*.rs' --exclude-dir={target,.git,.cache} .)

.PHONY: yamllint
yamllint:
	@testbed/with-tool yamllint --strict .

##### Measure it (two cores and nothing else running; see bench/README.md)

.PHONY: bench-decode
bench-decode: ## one order decoded: our layouts and plans, a hand-written floor, apache-avro
	@cargo bench --quiet -p bench --bench decode

.PHONY: bench-drain bench-failing bench-load bench-durable bench-latency bench-memory bench-http performance
bench-drain: ## worker, Java, Python and a bare loop read preloaded topics from real Kafka
	@bench/run drain --records 200000 2000000 --runs 5
	@bench/run drain --records 24000000 --runs 3

bench-failing: ## the same with 15 % of tries failing, beside the Parallel Consumer
	@bench/run failing --records 200000 --runs 5
	@bench/run failing --records 24000000 --runs 3

bench-load: ## 500,000 orders/s offered, 15 % failing: does the lag grow?
	@bench/run load

bench-durable: ## durable totals against totals in memory, restarts, kills
	@bench/run durable

bench-latency: ## from produced to handled at 1,000 orders/s
	@bench/run latency

bench-memory: ## resident memory over 24 million orders
	@bench/run memory

bench-http: ## a service of 10 ms that answers 15 % with 503: calls/s beside max-in-flight / 10 ms
	@bench/run http

performance: ## write docs/performance.md from bench/results
	@bench/performance

.PHONY: torture-page
torture-page: ## write docs/torture.md from bench/results/torture; FILES= results of `make torture` to keep there first
	@bench/torture $(FILES)

##### Keep it

.PHONY: generate
generate: ## rewrite the generated files that tests compare with
	UPDATE_GENERATED=1 cargo test --package worker $(PLAIN) --test generated

.PHONY: kafka-up
kafka-up: ## start an Apache Kafka broker on 127.0.0.1:9092 (needs java 17 and mvn)
	@testbed/kafka/up.sh

.PHONY: kafka-down
kafka-down: ## stop that broker and remove its data
	@testbed/kafka/down.sh --purge

.PHONY: registry-up
registry-up: ## start a schema registry on 127.0.0.1:8081 (needs java 17, mvn, curl and unzip)
	@testbed/registry/up.sh

.PHONY: registry-down
registry-down: ## stop that registry and remove its folder
	@testbed/registry/down.sh --purge

.PHONY: clean
clean: ## remove what was built; downloads in the cache stay
	cargo clean
