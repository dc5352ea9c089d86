# make demo   the main job on the built-in products: a labelled defect dataset in outputs/demo, a page to look at, and
#             a small verdict: do segmenters gain from it? Last, what detectors see.
# make test   lint, format, types, import order and tests
# make docs   the site, in outputs/site/index.html
# Each works alone on a machine with Python 3.11, make, git and apt: it makes .venv and installs what is missing.

.DEFAULT_GOAL := demo
.PHONY: demo test docs install

PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p; done))
BIN := .venv/bin
TORCH := $(shell grep '^torch==' constraints.txt)
# The name changes with what is to be installed: an old installation is brought up to date, a good one is kept.
INSTALLED := .venv/installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)
APT := $(if $(filter 0,$(shell id -u)),,sudo -n) env DEBIAN_FRONTEND=noninteractive apt-get -qq
OPEN3D_LIBRARIES := libegl1 libusb-1.0-0 libgl1

demo: $(INSTALLED)
	$(BIN)/flawsmith demo
	$(BIN)/flawsmith eval verdict outputs/demo --quick
	$(BIN)/flawsmith eval detectors --data outputs/demo --detectors patchcore,rad,cif,musc

test: $(INSTALLED) .venv/browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "look at it: outputs/site/index.html; with its search: $(BIN)/python -m http.server -d outputs/site"

install: $(INSTALLED)

# The general build of torch carries CUDA: where there is no GPU, the CPU build goes in first if pip knows one.
$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv \
		|| { $(APT) update && $(APT) install -y python3-venv && $(PYTHON) -m venv --clear .venv; }
	@( for library in libEGL.so.1 libusb-1.0.so.0 libGL.so.1; do ldconfig -p | grep -q $$library || exit 1; done ) 2>/dev/null \
		|| { $(APT) update && $(APT) install -y --no-install-recommends $(OPEN3D_LIBRARIES); } >/dev/null 2>&1 \
		|| echo "open3d will not import until someone runs: apt-get install -y $(OPEN3D_LIBRARIES)"
	@nvidia-smi -L >/dev/null 2>&1 || $(BIN)/pip install -q '$(TORCH)+cpu' 2>/dev/null \
		|| echo "found no CPU build of torch, taking the general one"
	$(BIN)/pip install -q -e '.[dev]' -c constraints.txt
	@rm -f .venv/installed-*
	@touch $@

# Asked for once; without a browser the test of the gallery page is skipped and says so.
.venv/browser: | $(INSTALLED)
	@for name in chromium chromium-browser google-chrome; do command -v $$name; done | grep -q . \
		|| { $(APT) update && $(APT) install -y --no-install-recommends chromium; } >/dev/null 2>&1 \
		|| echo "no chromium, and no way to install one: the test of the gallery page will be skipped"
	@touch $@
