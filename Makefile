# Every verb sets up what it needs: the first one on a fresh machine makes .venv from the lock file.

PYTHON ?= python3
CLUSTER ?= node
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
# Most tests wait for something most of the time: more processes than cores let others run meanwhile.
PARALLEL := -n 6 --dist worksteal
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz busy e2e chaos scale images lint format bench search soak servers conformance peers keycloak scenarios audit crds lock clean

help:  ## Show the verbs.
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "vmcp needs Python 3.11 or newer with the venv module; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python -e .
	@touch $@

demo: $(STAMP)  ## Start four MCP servers, serve them as one endpoint, show a client using it; keep serving.
	@$(BIN)/python examples/demo $(DEMO)

test: $(STAMP) redis prometheus rsyslog  ## Install what the tests need and run them.
	@$(BIN)/pytest $(PARALLEL) $(PYTEST)

fuzz: $(STAMP) redis  ## Run the tests with generated input on four times as many examples as every day.
	@$(BIN)/pytest $(PARALLEL) -m hypothesis --hypothesis-profile=thorough $(PYTEST)

BUSY := tests/proxy/serve tests/proxy/http_client tests/proxy/sessions tests/proxy/pods tests/operator

busy: $(STAMP) redis  ## Run a part of the tests beside six busy loops: no test may depend on a quiet machine.
	@for each in 1 2 3 4 5 6; do $(BIN)/python -c 'while True: pass' & loops="$$loops $$!"; done; \
		trap 'kill $$loops' EXIT; $(BIN)/pytest -q $(PARALLEL) $(BUSY) $(PYTEST)

.PHONY: redis
redis:
	@command -v redis-server >/dev/null || { \
		echo "installing redis-server for the tests"; \
		SUDO=; test "$$(id -u)" = 0 || SUDO=sudo; \
		$$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; } \
		|| { echo "install redis-server (7 or newer) and try again" >&2; exit 1; }

.PHONY: prometheus
prometheus:
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || { \
		echo "installing prometheus for the tests of dashboards and alerts"; \
		SUDO=; test "$$(id -u)" = 0 || SUDO=sudo; \
		$$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null; } \
		|| { echo "install prometheus and promtool (2.40 or newer) and try again" >&2; exit 1; }

.PHONY: rsyslog
rsyslog:
	@command -v rsyslogd >/dev/null || test -x /usr/sbin/rsyslogd || { \
		echo "installing rsyslog for the tests of the audit log"; \
		SUDO=; test "$$(id -u)" = 0 || SUDO=sudo; \
		$$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rsyslog >/dev/null; } \
		|| { echo "install rsyslog (8.2 or newer) and try again" >&2; exit 1; }

lint: $(STAMP)  ## Check format, style, types and import rules.
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config pyproject.toml

format: $(STAMP)  ## Rewrite the code in the project's format.
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: $(STAMP)  ## Measure the proxy beside bare passthroughs and peers, by turns (docs/performance.md).
	@$(BIN)/python -m benchmarks $(BENCH)

search: $(STAMP)  ## Measure how well tool search finds, and hold it to the baseline (docs/search-quality.md; some seconds).
	@$(BIN)/python -m benchmarks.search $(SEARCH)

soak: $(STAMP) redis  ## Twenty minutes of half load while backends and Redis break (SOAK="--minutes 1" for a smoke run).
	@$(BIN)/python -m benchmarks.soak $(SOAK)

servers: $(STAMP)  ## Compare real servers of others (PyPI, npm, Go) directly and through one proxy (needs node and go; some minutes).
	@$(BIN)/python -m tests.servers $(SERVERS)

conformance: $(STAMP)  ## Run the official MCP conformance suites against the proxy, in both eras (needs npm; some minutes).
	@$(BIN)/python -m tests.conformance $(CONFORMANCE)

peers: $(STAMP)  ## Run clients and servers on other SDKs before and behind the proxy (needs npm and go; some minutes).
	@$(BIN)/python -m tests.peers $(PEERS)

keycloak: $(STAMP) java redis  ## Run the part of e2e with a real Keycloak, and no cluster (its first run installs it: some minutes).
	@$(BIN)/pytest -q e2e/keycloak $(PYTEST)

.PHONY: java
java:
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
		echo "installing java and maven for Keycloak"; \
		SUDO=; test "$$(id -u)" = 0 || SUDO=sudo; \
		$$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jre-headless maven >/dev/null; } \
		|| { echo "install java (17 or newer) and maven and try again" >&2; exit 1; }

scenarios: $(STAMP) redis prometheus rsyslog  ## List the acceptance scenarios with what the tests say (PYTEST="tests e2e" asks the cluster too, one test at a time).
	@mkdir -p .cache
	@$(BIN)/pytest -q $(if $(findstring e2e,$(PYTEST)),,$(PARALLEL)) --scenarios .cache/scenarios.json $(PYTEST) >.cache/scenarios.log 2>&1 || tail -n 30 .cache/scenarios.log
	@$(BIN)/python -m tests.support.scenarios docs/acceptance.md .cache/scenarios.json $(wildcard .cache/scenarios-*.json)

audit: $(STAMP)  ## Ask for known vulnerabilities of the locked packages (needs the advisories of PyPI or OSV).
	@for lock in requirements*.lock; do \
		echo "$$lock"; $(BIN)/uv tool run pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; done

crds: $(STAMP)  ## Generate crds/, docs/reference/ and the charts' templates from the models.
	@$(BIN)/python -m vmcp_api crds crds
	@$(BIN)/python -m vmcp_api reference docs/reference
	@$(BIN)/python charts/generate.py
	@$(BIN)/python -m charts.metrics_page
	@$(BIN)/python -m charts.dashboards

images: $(STAMP) cluster-packages  ## Build the images' archives for the test cluster.
	@$(BIN)/python -m e2e.images build $(IMAGES)

e2e: $(STAMP) cluster-packages java redis  ## Bring up a real cluster and a Keycloak, and run the scenarios on them (CLUSTER=kind where Docker is).
	@CLUSTER=$(CLUSTER) $(BIN)/pytest e2e --tb=short $(PYTEST)

chaos: $(STAMP) cluster-packages  ## Break everything around the operator for fifteen minutes while clients call tools (CHAOS="--minutes 3 --seed 7").
	@$(BIN)/python -m e2e.chaos $(CHAOS)

scale: $(STAMP) cluster-packages  ## Measure the operator with 200 endpoints of 10 backends on a cluster of its own (SCALE="--runs 3").
	@$(BIN)/python -m e2e.scale $(SCALE)

CLUSTER_PACKAGES := containerd runc containernetworking-plugins iptables iproute2 util-linux mmdebstrap buildah xz-utils

.PHONY: cluster-packages
cluster-packages:
	@dpkg -s $(CLUSTER_PACKAGES) >/dev/null 2>&1 || { \
		echo "installing packages for the test cluster"; \
		SUDO=; test "$$(id -u)" = 0 || SUDO=sudo; \
		$$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(CLUSTER_PACKAGES) >/dev/null; } \
		|| { echo "install $(CLUSTER_PACKAGES) and try again" >&2; exit 1; }

RESOLVE := $(BIN)/uv pip compile --quiet --constraint requirements.lock --generate-hashes --no-emit-index-url \
	--no-header --universal --python-version 3.11

# What the code of wordllama needs, which the proxy does not run (ADR-0066): 40 MB, among them a client of a model hub.
UNUSED := safetensors tokenizers toml

lock: $(STAMP)  ## Resolve the dependencies again.
	@$(BIN)/uv pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --no-header --universal \
		--python-version 3.11 pyproject.toml -o requirements.lock
	@mkdir -p .cache && printf '%s\n' $(UNUSED) > .cache/unused.txt
	@$(RESOLVE) --excludes .cache/unused.txt --extra proxy --extra bridge --extra search pyproject.toml -o requirements-proxy.lock
	@$(RESOLVE) --extra operator pyproject.toml -o requirements-operator.lock
	@echo 'hatchling>=1.27' | $(RESOLVE) - -o requirements-build.lock
	@echo 'mcp>=2.2' | $(RESOLVE) - -o e2e/images/backends/requirements.lock

clean:  ## Remove what the other verbs made.
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
