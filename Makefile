# Each target works in a fresh clone and makes its own virtual environment in .venv.
PYTHON ?= python3
BIN := .venv/bin
EXTRA ?= cpu# gpu: ONNX Runtime with CUDA
INSTALLED := .venv/installed-$(EXTRA)
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: install demo test test-oldest test-ray test-ros2 test-triton fuzz mutants sbom lock lint docs bench clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[$(EXTRA)]" \
		--group train --group export --group bench --group test --group lint --group docs
	touch $@

# Fuses a rendered street live, and sample pairs, on the CPU, and makes a page to look at them.
demo: install
	$(BIN)/python -m export.demo -o build/demo

test: install
	$(PYTEST)

# The runtime with the oldest packages that it admits, laid over the newest.
test-oldest: install
	$(BIN)/pip install --quiet --no-deps --upgrade --target build/oldest -r oldest.txt
	PYTHONPATH=$(CURDIR)/build/oldest $(PYTEST) tests/ship_deploy \
		--ignore tests/ship_deploy/test_fuser_types.py  # mypy does not read PYTHONPATH

# The node of ROS 2 under a real rclpy, whose wheels are for Python 3.11 on x86-64.
test-ros2: build/ros2/installed
	build/ros2/bin/python -m pytest --confcutdir tests/ros2 tests/ros2

build/ros2/installed: tests/ros2/requirements.txt constraints.txt
	$(PYTHON) -m venv build/ros2
	build/ros2/bin/pip install --quiet --upgrade "pip>=25.1"
	build/ros2/bin/pip install --quiet --no-deps --require-hashes -r tests/ros2/requirements.txt
	build/ros2/bin/pip install --quiet --constraint constraints.txt ".[cpu]" pytest
	build/ros2/bin/pip uninstall --quiet --yes ship-deploy  # the checkout is tested
	touch $@

# Archives on a local Ray cluster of three nodes, and in an object store.
test-ray: build/ray/installed
	build/ray/bin/python -m pytest --confcutdir tests/ray tests/ray

build/ray/installed: tests/ray/requirements.txt
	$(PYTHON) -m venv build/ray
	build/ray/bin/pip install --quiet --upgrade "pip>=25.1"
	build/ray/bin/pip install --quiet --no-deps -r tests/ray/requirements.txt
	touch $@

# Fusing on a real Triton server, whose wheel is for Linux on x86-64; pinned for Python 3.11.
test-triton: build/triton/installed
	build/triton/bin/python -m pytest --confcutdir tests/triton tests/triton

build/triton/installed: tests/triton/requirements.txt
	$(PYTHON) -m venv build/triton
	build/triton/bin/pip install --quiet --upgrade "pip>=25.1"
	build/triton/bin/pip install --quiet --no-deps --require-hashes -r tests/triton/requirements.txt
	touch $@

# Attacks on every kind of input, this long each; findings stay in build/fuzz.
SECONDS ?= 60
fuzz: install
	$(BIN)/pip install --quiet --constraint constraints.txt --group fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

# Which of 500 changes of the code no test sees; takes hours, for the night.
mutants: install
	$(BIN)/pip install --quiet --constraint constraints.txt --group mutants
	$(BIN)/python -m tests.mutants

# What the runtime consists of, with versions and licences, as CycloneDX; in build/sbom.json.
sbom:
	$(PYTHON) -m venv build/sbom/tool
	build/sbom/tool/bin/pip install --quiet --constraint constraints.txt cyclonedx-bom
	$(PYTHON) -m venv --without-pip --clear build/sbom/runtime
	build/sbom/tool/bin/pip --python build/sbom/runtime/bin/python install --quiet --constraint constraints.txt ".[$(EXTRA)]"
	build/sbom/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library \
		--output-reproducible --output-file build/sbom.json build/sbom/runtime/bin/python

# Versions of constraints.txt with the hashes of their files, for every platform; in requirements.lock.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --constraint constraints.txt uv
	sed -i '1!d' requirements.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --extra cpu --extra signatures --constraint constraints.txt pyproject.toml >> requirements.lock

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint deploy/*.Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

# The documentation, in build/site; with npm, there is a page in it that fuses in the browser.
docs: install
	if command -v npm >/dev/null; then npm install --prefix build/browser --omit=dev --ignore-scripts \
		--no-save --no-audit --no-fund --silent onnxruntime-web@1.30.0; fi
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: install
	$(BIN)/python -m benchmarks latency -o build/benchmarks

clean:
	rm -rf .venv build dist *.egg-info
