# The commands of the README. `make install` is quick the second time.
PYTHON ?= python3
# The build of torch to install, before everything that depends on it.
#   CPU, where pip's plain torch is the CUDA build:  make install TORCH="torch==2.13.0+cpu" with PyTorch's CPU index
#                                                    in PIP_EXTRA_INDEX_URL (its address: the selector on pytorch.org)
#   CUDA:                                            make install TORCH="torch==2.13.0" where pip's torch is that build
TORCH ?= torch==2.13.0
# How many processes share the tests; the tests of a file stay together.
WORKERS ?= auto
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check format protos dashboard clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(BIN)/apa demo $(DEMO)

test: install
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(TESTS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/protos.py check
	$(BIN)/python -m deploy.grafana.dashboard --check
	$(BIN)/hadolint deploy/docker/*.Dockerfile

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: install
	$(BIN)/python tools/protos.py generate

dashboard: install
	$(BIN)/python -m deploy.grafana.dashboard

clean:
	rm -rf $(VENV) build dist *.egg-info
