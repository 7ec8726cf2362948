# One command does everything that it needs, from nothing but Python, venv and make.

VENV ?= .venv
PYTHON ?= python3
# Where the default index offers the CUDA build of torch and the CPU build is wanted:
#   make test TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

# A sourced ROS, another middleware or somebody's PYTHONPATH must not mix with the wheels in .venv,
# nor with the build; _ROS_WHEELS_… is set inside any Python that has the ROS wheels, and would
# keep ours from setting its library path.
unexport $(filter AMENT_% COLCON_% CYCLONEDDS_% FASTDDS_% FASTRTPS_% RCL_% RCUTILS_% RMW_% ROS_% \
	_ROS_WHEELS_%,$(.VARIABLES))
unexport CMAKE_PREFIX_PATH LD_LIBRARY_PATH LD_PRELOAD MYPYPATH PKG_CONFIG_PATH
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONWARNINGS PYTEST_ADDOPTS PYTEST_PLUGINS
unexport PIP_PREFIX PIP_TARGET PIP_USER
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(VENV)/bin
READY := $(VENV)/.ready
COLCON := $(VENV)/.colcon
DEMO := build/demo

.DELETE_ON_ERROR:
.PHONY: help demo test lint format build build-test clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(READY) ## a minute's drive rendered, sent through the nodes and scored, in build/demo
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	$(BIN)/signattn synth $(DEMO)/bag --format mcap --duration 60 --seed 60
	$(BIN)/signattn convert $(DEMO)/bag --out $(DEMO)/drives
	$(BIN)/signattn replay models/demo $(DEMO)/bag --out $(DEMO)
	$(BIN)/signattn render models/demo $(DEMO)/bag --out $(DEMO)/overlay.mp4
	@printf '%s\n' '' 'Where to look next:' \
		'  $(DEMO)/overlay.mp4    camera, heatmap, steering true and predicted' \
		'  $(DEMO)/metrics.json   the table above as a file' \
		'  README.md                the nodes on a robot, and your own recordings'

test: lint ## style, types and tests, those on real ROS 2 nodes among them
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(READY) ## style (ruff) and types (mypy, strict; from Python 3.11 on)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; \
	then echo '$(BIN)/mypy'; $(BIN)/mypy; \
	else echo 'mypy left out: the last numpy for Python 3.10 has coarser types than newer ones;' \
	'run it on Python 3.11 or newer, where it checks for 3.10'; fi

format: $(READY) ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(COLCON) ## the ROS 2 package as a robot builds it (colcon), in build and install
	PATH="$(abspath $(BIN)):$$PATH" colcon build --packages-select signattn

build-test: build ## the tests as colcon runs them, on what it built
	PATH="$(abspath $(BIN)):$$PATH" colcon test --packages-select signattn
	$(BIN)/colcon test-result --test-result-base build/signattn --verbose

clean: ## remove what the other targets made, the environment too
	rm -rf $(VENV) build install log dist src/*.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Installed anew when what is installed changes; the last line shows that the parts are there.
$(READY): setup.py setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import platform, sys; \
	found = platform.system(), platform.machine(), sys.version_info[:2]; \
	ok = found[:2] == ("Linux", "x86_64") and found[2] >= (3, 10); \
	sys.exit(None if ok else "error: this machine must be x86-64 Linux (the ROS 2 wheels) with " \
	"Python 3.10 or newer, got %s %s with Python %d.%d; name another Python " \
	"with make PYTHON=python3.12" % (found[:2] + tuple(found[2])))'
	@echo 'Setting up $(VENV), which takes a few minutes the first time.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e '.[ros,tools,dev]'
	@$(BIN)/python -c 'import rclpy, torch, signattn'
	@touch $@

# In the environment itself: colcon runs the tests with the Python that it runs on.
$(COLCON): $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt colcon-common-extensions
	@touch $@
