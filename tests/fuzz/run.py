"""Coverage-guided fuzzing with atheris (libFuzzer): python tests/fuzz/run.py TARGET [--keep] [options of libFuzzer]

    TARGET   pass, status_list or repository: tests/fuzz/fuzz_TARGET.py
    --keep   no fuzzing: take over from build/fuzz/TARGET what reaches code that tests/fuzz/corpus/TARGET does not

`make fuzz` prepares the environment. Inputs that reached something new are gathered in build/fuzz/TARGET; one that shows a defect is written to
build/fuzz/TARGET.crash-..., and `run.py TARGET FILE` shows it again. Does not decide what a defect is: the targets do.
"""

from __future__ import annotations

import atexit
import importlib
import os
import random
import shlex
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP))

TARGETS = ("pass", "status_list", "repository")
# What is watched for new paths: this project's readers of foreign bytes and the libraries in Python below them.
INSTRUMENTED = ["gate_controller.passes", "gate_controller.cose", "gate_controller.trust", "tuf", "securesystemslib"]
DEFAULTS = {"max_len": "4096", "timeout": "5", "rss_limit_mb": "2048"}


def work_in_memory() -> None:
    """The repository's client works in a temporary directory for each input; without a disk it is quicker. For this whole process."""
    if Path("/dev/shm").is_dir():
        scratch = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="fuzz-")
        atexit.register(scratch.cleanup)
        tempfile.tempdir = scratch.name


def fuzz(target: str, options: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris  # in the fuzzing environment only

    with atheris.instrument_imports(include=INSTRUMENTED):
        module = importlib.import_module(f"tests.fuzz.fuzz_{target}")

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        """Half of the time as what it is, if the target knows how; else as bytes."""
        rng = random.Random(seed)
        if rng.random() < 0.5 and len(data) > 2:
            return module.mutated(data, rng)[:max_size]
        return atheris.Mutate(data, max_size)

    # A merge starts this program again, by a shell: its name is a command line.
    command = " ".join(map(shlex.quote, (sys.executable, str(Path(__file__).resolve()), target)))
    mutator = {"custom_mutator": mutate} if hasattr(module, "mutated") else {}
    atheris.Setup([command, *options], module.one_input, **mutator)
    atheris.Fuzz()


def main() -> None:
    """Run one target."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: {Path(sys.argv[0]).name} {{{','.join(TARGETS)}}} [--keep] [options of libFuzzer]")
    target = sys.argv[1]
    options = [option if option.startswith("-") else str(Path(option).resolve()) for option in sys.argv[2:]]
    seeds, found = TOP / "tests/fuzz/corpus" / target, TOP / "build/fuzz" / target
    found.mkdir(parents=True, exist_ok=True)
    seeds.mkdir(parents=True, exist_ok=True)
    os.chdir(found.parent)  # the logs of -jobs are written where it runs
    given = {option[1:].split("=")[0] for option in options if option.startswith("-")}
    options += [f"-{name}={value}" for name, value in DEFAULTS.items() if name not in given]
    words = seeds.parent / f"{target}.dict"
    if words.exists():
        options.append(f"-dict={words}")
    if "--keep" in options:
        options.remove("--keep")
        options += ["-merge=1", str(seeds), str(found)]
    elif all(option.startswith("-") and not option.startswith("-merge") for option in options):
        options += [f"-artifact_prefix={found}.", str(found), str(seeds)]
    work_in_memory()
    fuzz(target, options)


if __name__ == "__main__":
    main()
