# Every target prepares what it needs (requirements/setup says how) and does nothing twice. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
export PYTHON

bin := .venv/bin
runtime := .venv/.runtime
dev := .venv/.dev
models := var/models/face_detection_yunet_2023mar.onnx var/models/face_recognition_sface_2021dec.onnx

# A virtual environment holds absolute paths: it is of no use half made, moved, or without the python it was made from.
ifeq ($(shell [ "$$(cat .venv/.made-for 2>/dev/null)" = "$(CURDIR)" ] && $(bin)/python -c pass 2>/dev/null && echo whole),whole)
venv :=
else
venv := rebuild
endif

.PHONY: help
help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "make %-9s %s\n", $$1, $$2 }'

.PHONY: run
run: $(runtime) $(models)  ## simulate the lane; options in ARGS, e.g. make run ARGS="--travellers 10 --seed 1"
	@exec $(bin)/gatectl simulate $(ARGS)

.PHONY: test
test: $(dev) $(models)  ## all tests; options for pytest in ARGS
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && $(bin)/pytest -n 3 --no-loadscope-reorder --basetemp "$$scratch/pytest" $(ARGS)

.PHONY: crossings
crossings: $(runtime)  ## 20,000 crossings in virtual time with the harshest faults (a minute of CPU); fails on any violation
	@$(bin)/gatectl simulate --virtual --travellers 20000 --faults harsh --seed 1 --jobs 2 $(ARGS)

.PHONY: million
million: $(runtime)  ## a million of them (half an hour on two cores); report in build/million.txt
	@mkdir -p build; set -o pipefail; $(bin)/gatectl simulate --virtual --travellers 1000000 --faults harsh --seed 1 --jobs 2 $(ARGS) | tee build/million.txt

.PHONY: plots
plots: $(dev)  ## draw docs/simulation-*.png from simulated crossings
	@$(bin)/python -m tests.virtual.plots

.PHONY: check
check: $(dev)  ## linters, formatter, types and the direction of the imports
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

.PHONY: bench
bench: $(dev) $(models)  ## every tests/bench/bench_*.py in turn; tables here, JSON in build/bench/
	@requirements/setup peers || true  # without them their rows are left out
	@mkdir -p build/bench; for bench in tests/bench/bench_*.py; do \
	  name=$$(basename "$$bench" .py); echo "== $$name"; \
	  $(bin)/python "$$bench" --json "build/bench/$$name.json" $(ARGS) || exit 1; done

.PHONY: fuzz
fuzz: $(runtime)  ## coverage-guided fuzzing; TARGET=pass|status_list|repository, options of libFuzzer in ARGS, e.g. ARGS="-max_total_time=600"
	@requirements/setup fuzz
	@exec .venv-fuzz/bin/python tests/fuzz/run.py $(or $(TARGET),pass) $(ARGS)

.PHONY: fuzz-api
fuzz-api: $(dev) $(models)  ## the control API of a running daemon as every role: schemathesis, then 100,000 requests and its memory (root; half an hour)
	@requirements/setup api-fuzz
	@exec $(bin)/python -m tests.fuzz.api $(ARGS)

.PHONY: kill
kill: $(runtime)  ## kill -9 during pass use, key import and enrolment import, over and over; e.g. ARGS="--loops 10000 --seed 1"
	@exec $(bin)/python tests/kill/kill_loop.py $(ARGS)

.PHONY: plug
plug: $(dev) $(models)  ## kill -9 at every point of a crossing over wire simulators, restart, judge (an hour); ARGS="--only emergency --at 'io sent'"
	@exec $(bin)/python -m tests.plug $(ARGS)

.PHONY: desk
desk: $(dev) $(models)  ## one person from a simulated enrolment desk to a crossing, over the wire (a minute); ARGS="--family zfm20 --pad"
	@exec $(bin)/python -m tests.desk $(ARGS)

.PHONY: browser
browser: $(dev) $(models)  ## kiosk page and simulator panel in real Chromium, with axe-core (some minutes); ARGS="-k panel"; PICTURES=1 draws docs/images anew
	@requirements/setup browser
	@$(bin)/python -m pytest -p no:xdist -q tests/browser/browser_*.py $(ARGS)

.PHONY: power
power: $(dev)  ## cut the power at every system call of every store; e.g. ARGS="--images 30000 --seed 1"
	@exec $(bin)/python -m tests.power $(ARGS)

.PHONY: explore
explore: $(dev)  ## every state of the core against every event, judged by a monitor; ARGS=--all for every policy
	@exec $(bin)/python -m tests.exploration $(ARGS)

.PHONY: mutate
mutate: $(dev)  ## put every mistake into the core and see that a check finds it; writes docs/mutation.md; goes on where it was interrupted
	@exec nice -n 15 $(bin)/python -m tests.mutation $(ARGS)

.PHONY: test-long
test-long: $(dev)  ## the core against its monitor, 10,000 examples of each policy (a quarter of an hour); ARGS="-k single" for one
	@STATEFUL_EXAMPLES=10000 $(bin)/pytest -n 3 tests/core/test_stateful.py $(ARGS)

.PHONY: month
month: $(dev)  ## simulate a month without a network, hour by hour (a minute); writes docs/month.md and docs/month.svg
	@$(bin)/python -m tests.month

.PHONY: pad
pad: $(dev) $(models)  ## judge live and attack sequences of synthetic people, persons 7 to 12 (5 to 30 minutes); ARGS="--tune", ARGS="--hands stand"
	@exec nice -n 15 $(bin)/python -m tests.bench.pad_accuracy $(ARGS)

.PHONY: install
install: $(runtime) $(models)  ## put this version below DESTDIR (default: this machine, as root) and in force; docs/installing.md
	@packaging/stage "$(DESTDIR)"
	@[ -n "$(DESTDIR)" ] || /opt/gate-controller/$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)/bin/gatectl install activate $$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

.PHONY: uninstall
uninstall:  ## take programs, units and links away again; configuration, keys and stores stay
	@packaging/uninstall "$(DESTDIR)"

.PHONY: doctor-faults
doctor-faults: $(dev) $(models)  ## ninety-six faults put into a simulated gate, and whether gatectl doctor names each cause (a quarter of an hour; root)
	@exec $(bin)/python -m tests.doctor $(ARGS)

.PHONY: reference
reference: $(dev)  ## write docs/reference/*.md from the code; the tests see that they are current
	@exec $(bin)/python -m tests.reference

.PHONY: deb
deb: $(runtime) $(models)  ## a Debian package with everything inside, in build/ (some minutes)
	@packaging/deb

.PHONY: deb-test
deb-test: deb  ## install, upgrade, roll back and purge it in a bare Debian without a network (root, debootstrap)
	@exec $(bin)/python -m tests.install.deb $(ARGS)

.PHONY: boot-test
boot-test: deb  ## boot the units under a real systemd: ready, watchdog, stop, who may connect (root, debootstrap, systemd-nspawn)
	@exec $(bin)/python -m tests.install.boot $(ARGS)

.PHONY: models
models: $(runtime)  ## check the face models by their hashes, fetch them where they are missing or damaged
	@requirements/setup models

.PHONY: lock
lock:  ## resolve pyproject.toml into requirements/*.lock; ARGS=--upgrade takes newer releases
	@requirements/setup lock $(ARGS)

.PHONY: clean
clean:  ## remove what make made: .venv, .venv-fuzz, .venv-peers, build, var/models, caches
	rm -rf .venv .venv-fuzz .venv-peers build var/models *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(runtime): requirements/runtime.lock pyproject.toml $(venv)
	@requirements/setup runtime

$(dev): requirements/dev.lock $(runtime)
	@requirements/setup dev

$(models) &: requirements/models.lock | $(runtime)
	@requirements/setup models

.PHONY: rebuild
rebuild:
