# make demo     upscale a short clip, see demo/
# make test     the tests; make check: the tests and all other checks
# make retest   the tests that failed the last time
# make lint | types | imports      one check alone
# make docs     the pages of docs/ as a site, in build/docs
# make wheels   one wheel per platform, in dist/

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -q
NATIVE := $(filter-out %__pycache__,$(wildcard vsadcvsr/native/*))
TARGETS := linux-x86_64 linux-aarch64 macos-x86_64 macos-arm64 windows-x86_64
TEST := tests
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help venv demo test retest check lint types imports docs wheels clean

help:
	@sed -n 's/^# //p' Makefile

# The stamps change with what they are made from, so set-up is done once.
$(VENV)/python.stamp: .python-version
	@python=$$(.ci/find-python) && "$$python" -m venv $(VENV) && $(PIP) install --upgrade pip
	@touch $@

$(VENV)/demo.stamp: $(VENV)/python.stamp pyproject.toml $(NATIVE)
	@echo "Installing into $(VENV): AdcVSR, VapourSynth, ONNX Runtime, FFmpeg …"
	@$(PIP) install -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/python.stamp pyproject.toml $(NATIVE)
	@echo "Installing into $(VENV): the above, and torch and the checkers …"
	@$(PIP) install -e ".[dev,train]"
	@touch $@ $(VENV)/demo.stamp $(VENV)/docs.stamp

$(VENV)/docs.stamp: $(VENV)/python.stamp pyproject.toml
	@$(PIP) install "mkdocs-material>=9.6"
	@touch $@

$(VENV)/wheels.stamp: $(VENV)/python.stamp pyproject.toml
	@$(PIP) install "hatchling>=1.27" "vapoursynth>=80" "ziglang>=0.14"
	@touch $@

venv: $(VENV)/dev.stamp

demo: $(VENV)/demo.stamp
	@$(PY) examples/demo.py

test: venv
	@$(PY) -m pytest -n auto --dist worksteal $(TEST)

retest: venv
	@$(PY) -m pytest --last-failed --last-failed-no-failures none $(TEST)

check:
	@.ci/run

lint: venv
	@$(PY) -m ruff check .

types: venv
	@$(PY) -m mypy

imports: venv
	@$(VENV)/bin/lint-imports

docs: $(VENV)/docs.stamp
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs -q build --strict -f docs/site/mkdocs.yml
	@echo "build/docs/index.html"

wheels: $(VENV)/wheels.stamp
	@for target in $(TARGETS); do ADCVSR_TARGET=$$target $(PIP) wheel --no-deps --no-build-isolation -w dist . || exit 1; done
	@ls dist/*.whl

clean:
	@rm -rf $(VENV) build dist
