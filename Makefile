# POSIX make. Every target creates .venv and installs what it needs when that is missing or when
# pyproject.toml is newer; nothing is installed outside .venv.

PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
MODELS_URL = https://raw.githubusercontent.com/mkeeter/fidget/main/models

.PHONY: help demo test prove gpu-check lint format bench figures docs notebooks models clean

help: ## List the targets (default)
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
	while IFS='|' read -r target text; do printf 'make %-9s %s\n' "$$target" "$$text"; done
	@echo 'PYTHON=python3.12 chooses the interpreter of .venv (3.11 to 3.13).'

demo: $(VENV)/.runtime ## Optimise part of a bundled model with a report, render it all to out/tempest.png
	@mkdir -p out
	$(BIN)/absint optimize tempest --region=-1:-0.5,0:0.5 --report
	$(BIN)/absint render tempest -o out/tempest.png -n 1024
	@echo 'The picture is out/tempest.png. More models: $(BIN)/absint list models'

test: $(VENV)/.dev ## Run the tests (ARGS="-k parser": more arguments for pytest)
	@# Bytecode is kept even where the user keeps none: the tests start hundreds of interpreters.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

prove: $(VENV)/.dev ## Prove the rewrite rules anew (ARGS="--rules min-left --timeout 300 --jobs 2")
	$(BIN)/python -m absint.fuzz.prove $(ARGS)

gpu-check: $(VENV)/.runtime ## Compare, fuzz and time everything on a GPU (ARGS="--backend cuda_shim --quick": without)
	$(BIN)/python -m absint.backends.cuda.check $(ARGS)

lint: $(VENV)/.dev ## Check style, format and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.dev ## Sort the imports and format the code
	$(BIN)/python -m ruff check --select I --fix .
	$(BIN)/python -m ruff format .

bench: $(VENV)/.runtime ## Time the bundled models, and those in ABSINT_MODELS (ARGS="--json")
	@set -- absint/models/*.vm; \
	if [ -n "$(ABSINT_MODELS)" ]; then set -- "$$@" "$(ABSINT_MODELS)"/*.vm; fi; \
	for model in "$$@"; do $(BIN)/absint bench "$$model" $(ARGS) || exit; done

figures: $(VENV)/.dev ## Draw the pictures in docs/ again
	@mkdir -p docs
	$(BIN)/absint render tempest -o docs/tempest.png -n 512
	$(BIN)/python -m tests.project.architecture
	$(BIN)/python -m tests.project.screenshots

docs: $(VENV)/.dev ## Build the manual in build/site; a warning is an error
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/site
	@echo 'The manual is build/site/index.html.'

notebooks: $(VENV)/.dev ## Run the notebooks again, in place (ARGS="03 05": some of them)
	$(BIN)/python -m tests.project.notebooks $(ARGS)

models: ## Say where to get the third-party models; check those in ABSINT_MODELS
	@echo 'The third-party models are part of Fidget (MPL-2.0), not of absint. Put them into a folder'
	@echo 'outside the checkout, for instance ../absint-models:'
	@echo
	@while read -r sum name; do \
	  printf '  %s\n    SHA-256 %s\n' "$(MODELS_URL)/$$name" "$$sum"; \
	done < tests/models.sha256
	@echo
	@echo 'Then let tests and benchmarks find them: export ABSINT_MODELS="$$(cd ../absint-models && pwd)"'
	@if [ -z "$(ABSINT_MODELS)" ]; then \
	  echo 'ABSINT_MODELS is not set, so there is nothing to check.'; \
	else \
	  sums=$$(pwd)/tests/models.sha256; \
	  if command -v sha256sum >/dev/null; then check=sha256sum; else check='shasum -a 256'; fi; \
	  echo "Checking $(ABSINT_MODELS):"; \
	  cd "$(ABSINT_MODELS)" && $$check -c "$$sums"; \
	fi

clean: ## Remove caches, build products and out/ (.venv stays)
	rm -rf build dist out ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path './$(VENV)' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: the runtime alone, and the runtime with the tools of development.

$(VENV)/.runtime: pyproject.toml $(VENV)/.created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.runtime

# A usable .venv is kept. Otherwise the first supported interpreter makes a new one.
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

$(VENV)/.created:
	@supported() { "$$1" -c '$(SUPPORTED)' 2>/dev/null; }; \
	if supported $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  touch $@; exit; \
	fi; \
	for candidate in "$(PYTHON)" python3.13 python3.12 python3.11; do \
	  if supported "$$candidate"; then \
	    echo "Creating $(VENV) with $$candidate ($$("$$candidate" -V))"; \
	    "$$candidate" -m venv --clear $(VENV) && touch $@; exit; \
	  fi; \
	done; \
	echo "absint needs Python 3.11, 3.12 or 3.13, but $(PYTHON) is:" \
	  "$$(command -v "$(PYTHON)" >/dev/null && "$(PYTHON)" -V 2>&1 || echo 'not found')." >&2; \
	echo "Install one of them, or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	exit 1
