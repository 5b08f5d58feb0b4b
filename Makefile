# Two commands are enough on a fresh machine: `make demo` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Each starts a broker and a warehouse of its own and waits for them a third of the time, so one more than two cores pays.
TEST_PROCESSES ?= 3

.PHONY: help setup demo test check format render lock kafka registry peers bench convergence properties model clean outage kills fuzz clients chaos chaos-migrations chaos-night chaos-recovery quiet

help: ## show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## make .venv with exactly locked dependencies and the command `throughline`

$(STAMP): requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: $(PYTHON) not found; install Python 3.11 or newer and run make PYTHON=python3.NN setup" >&2; exit 2; }
	@echo "setup: installing the locked packages into $(VENV); a minute or more, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@echo "setup: done; the command is $(BIN)/throughline, \`make demo\` shows what it does"

demo: setup ## run the main job on the embedded default and show what it finds
	@$(BIN)/throughline demo

test: setup ## run all tests; those against Apache Kafka too where java and mvn are
	@if command -v java >/dev/null && command -v mvn >/dev/null; then $(MAKE) --no-print-directory kafka || true; $(MAKE) --no-print-directory registry || true; \
	else echo "test: without java and mvn the tests against Apache Kafka and a schema registry are skipped; install both, then run it again" >&2; fi
	@$(MAKE) --no-print-directory clients || echo "test: without them the tests with unmodified clients of others are skipped" >&2
	RUST_BACKTRACE=0 $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

kafka: setup ## get Apache Kafka for `throughline up --broker kafka` (needs java 17 and mvn)
	@$(BIN)/python -m pipeline.embedded.kafka.obtain

registry: setup ## get the schema registry that the tests run against (needs java 17 and mvn)
	@$(BIN)/python -m tests.registry.obtain

peers: setup ## get the peers of the bench, each in an environment of its own; `make test` then tries them all
	@$(BIN)/python -m bench.peers.obtain

check: setup ## format, lint, strict types, import layers, sizes, schemas against all released, rendered files up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/test_house.py
	$(BIN)/throughline schemas check
	$(BIN)/python -m docs.render --check

format: setup ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

render: setup ## render the reference pages from the code
	$(BIN)/python -m docs.render

lock: setup ## compile the locked requirements anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -c requirements.lock -o requirements-dev.lock pyproject.toml --extra sentiment --group dev
	for peer in quix bytewax; do uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o bench/peers/$$peer.lock bench/peers/$$peer.in; done

bench: setup ## measure speed side by side; the last line is JSON (ARGS="--broker kafka" admits all peers; ARGS=--help)
	@$(BIN)/python -m bench $(ARGS)

convergence: setup ## the same touchpoints in other orders, with workers killed, give the same bytes (about 15 minutes)
	@$(BIN)/python -m tests.convergence

model: setup ## 10,000 schedules of the protocol against the oracle, and its mutants (SCHEDULES=n; SEED=n replays one)
	@POLARS_MAX_THREADS=1 $(BIN)/python -m tests.model $(if $(SEED),--seed $(SEED),--schedules $(or $(SCHEDULES),10000))

properties: setup ## look long for a history whose order of arrival matters (twenty times as many as in `make test`)
	$(BIN)/python -m pytest -q tests/properties --hypothesis-profile=deep

quiet: setup ## simulated shops without stories bring no incident, those with stories just these (some minutes)
	@$(BIN)/python -m tests.findings.quiet

kills: setup ## kill a sending program fifty times at random: nothing lost, nothing twice
	$(BIN)/python -m tests.producers.sdk_kills --runs 50

outage: kafka ## workers whose broker is away for minutes, past every time-out there is, and back (AWAY=seconds)
	$(BIN)/python -m pytest -q tests/kafka/test_outages.py --away $(or $(AWAY),180)

chaos: kafka ## faults on Apache Kafka with a ledger and a checker, about 3 minutes (SEED=n plays another)
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1)

chaos-recovery: kafka ## kill and freeze the parts one by one, and fail where a recovery passes its limit (about 4 minutes)
	@$(BIN)/python -m tests.chaos --recovery $(ARGS)

chaos-migrations: setup ## kill migrations at every statement, on their way from an earlier release and from nothing (ten minutes or more)
	@$(BIN)/python -m tests.chaos.dying $(ARGS)

chaos-night: kafka registry ## the same for hours: SEEDS=100 from SEED=1 on
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --seeds $(or $(SEEDS),100)

fuzz: setup ## a million mutated requests and records against the collector and the decoder
	RUST_BACKTRACE=0 $(BIN)/python -m tests.producers.fuzzing --inputs 1000000

clients: .cache/clients/.installed ## get the unmodified clients of Segment and RudderStack that tests send with (for Node too, where npm is)

.cache/clients/.installed: tests/docs/clients.lock tests/docs/node/package-lock.json | $(STAMP)
	test -x .cache/clients/bin/python || $(PYTHON) -m venv .cache/clients
	.cache/clients/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/docs/clients.lock
	@if command -v npm >/dev/null; then mkdir -p .cache/clients/node && cp tests/docs/node/*.json .cache/clients/node && \
	npm ci --prefix .cache/clients/node --ignore-scripts --no-audit --no-fund --loglevel error; \
	else echo "clients: without node and npm the tests with the Node clients are skipped" >&2; fi
	@touch $@

clean: ## remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis throughline-data
