"""gatectl config: check a configuration, and explain its keys.

Does not open devices or stores: what is wrong with those is found when they are opened.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import CommandFailedError
from gate_controller.cli.json_output import print_json
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.composition.registry import load_drivers
from gate_controller.settings import InvalidConfigurationError, Settings, load
from gate_controller.settings.devices import Drivers
from gate_controller.settings.fields import KeyDescription, closest, keys_of
from gate_controller.settings.gate_file import DEVICE_KINDS, GateFile
from gate_controller.settings.policy_file import PolicyFile

_WIDTH = 100


@click.group("config")
def config_group() -> None:
    """Check and explain the configuration."""


@config_group.command("check")
@click.option("--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate.")
@click.option("as_json", "--json", is_flag=True, help='One JSON object: {"ok", "problems": [{"file", "line", "key", "text", "remedy"}]}.')
def check_command(config: Path, as_json: bool) -> None:
    """Check a configuration and the policy it names; one line for each mistake, with its file and line.

    Exit code: 0 when the gate could run with it, 8 when it could not.
    """
    try:
        settings = load(config, load_drivers())
    except InvalidConfigurationError as error:
        if as_json:
            raise CommandFailedError(error.what, error.remedy, ExitCode.CONFIGURATION, more={"problems": _problems(error)}) from None
        click.echo(str(error))
        raise click.exceptions.Exit(ExitCode.CONFIGURATION) from None
    if as_json:
        print_json({"ok": True, "problems": []})
    else:
        click.echo(_success(config, settings))


@config_group.command("explain")
@click.argument("key", required=False)
@click.option("as_json", "--json", is_flag=True, help='One JSON object: {"keys": [{"key", "driver", "description", "values", "unit", "default", "required"}]}.')
def explain_command(key: str | None, as_json: bool) -> None:
    """Explain a KEY: what it means, its values, unit and default. Without KEY, list them all; of a section, its keys.

    KEY is a section and a key as in the files ("kiosk.port", "policy.presentation.ttl_s", "devices.fingerprint.baud"), or the
    end of one ("ttl_s"). The options of a device are those of every installed driver that fits it.
    """
    known = list(known_keys(load_drivers()))
    wanted = key.split(".") if key else []
    found = [(origin, description) for origin, description in known if wanted and _fits(description.path[-len(wanted) :], wanted)]
    if as_json and found:
        print_json({"keys": _described(found)})
        return
    if found:
        click.echo("\n\n".join(_explained(origin, description) for origin, description in found))
        return
    listed = [(origin, description) for origin, description in known if _is_below(description.path, wanted)]
    if not listed:
        near = closest(str(key), {key_name(description) for _, description in known} | {description.path[-1] for _, description in known})
        hint = f"did you mean {near!r}?" if near else "gatectl config explain lists all"
        message = f"there is no key {key!r}; {hint}"
        raise click.UsageError(message)
    if as_json:
        print_json({"keys": _described(listed)})
        return
    for origin, description in listed:
        click.echo(f"{key_name(description)}{origin}: {description.description}")


@config_group.command("diff")
@click.option("--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate.")
@click.option("as_json", "--json", is_flag=True, help='One JSON object: {"differences": [{"key", "here", "there"}]}; null where a key is not set.')
@click.argument("other", type=click.Path(path_type=Path, readable=False), required=False)
def diff_command(config: Path, as_json: bool, other: Path | None) -> None:
    """What differs between this gate's files and OTHER's (a gate.toml); without OTHER, the shipped defaults. Policies are compared, too.

    Neither needs to be valid. Passwords are not shown.

    Exit code: 0 nothing differs, 1 something does, 8 a file cannot be read.
    """
    from gate_controller.cli.config_diff import compared, defaults, values_of

    here = values_of(config)
    there = values_of(other) if other is not None else defaults(load_drivers(), here)
    differences = compared(here if other is not None else {key: here[key] for key in there}, there)
    if as_json:
        print_json({"differences": [{"key": key, "here": here, "there": there} for key, here, there in differences]})
    else:
        for key, here, there in differences:
            click.echo(f"{key}: {json.dumps(here)}, {'there' if other else 'default'} {json.dumps(there)}")
    if differences:
        raise click.exceptions.Exit(ExitCode.CHECK_FAILED)


def _described(found: list[tuple[str, KeyDescription]]) -> list[dict[str, object]]:
    names = ("description", "values", "unit", "default", "required")
    return [{"key": key_name(each), "driver": origin.strip(" ()"), **{name: getattr(each, name) for name in names}} for origin, each in found]


def _success(config: Path, settings: Settings) -> str:
    gate = settings.gate
    devices = ", ".join(f"{name} {device.driver_name}" for name, device in settings.equipment.items())
    return f"{config}: ok\ngate {gate.id}, {gate.mode}, policy {gate.policy}\ndevices: {devices}"


def _problems(error: InvalidConfigurationError) -> list[dict[str, object]]:
    return [{name: getattr(problem, name) for name in ("file", "line", "key", "text", "remedy")} for problem in error.problems]


def known_keys(drivers: Drivers) -> Iterator[tuple[str, KeyDescription]]:
    """Every key, with the driver it belongs to."""
    for description in keys_of(GateFile):
        yield "", description
    for device, kind in DEVICE_KINDS.items():
        for name in drivers:
            if name.startswith(f"{kind}."):
                for option in keys_of(drivers[name].options):
                    yield f" ({name})", _below(("devices", device), option)
    for description in keys_of(PolicyFile):
        yield "", _below(("policy",), description)


def _below(prefix: tuple[str, ...], description: KeyDescription) -> KeyDescription:
    path = (*prefix, *description.path)
    return KeyDescription(path, description.description, description.values, description.unit, description.default, description.required)


def _fits(path: tuple[str, ...], wanted: list[str]) -> bool:
    """Whether the parts are the same; "*" in the path fits every name, beside at least one that is the same."""
    pairs = list(zip(path, wanted, strict=True)) if len(path) == len(wanted) else []
    return all(part in {"*", want} for part, want in pairs) and (any(part == want for part, want in pairs) or not wanted)


def _is_below(path: tuple[str, ...], section: list[str]) -> bool:
    return any(_fits(path[start : start + len(section)], section) for start in range(len(path) - len(section) + 1))


def key_name(description: KeyDescription) -> str:
    """A key as it is named on the command line, with dots."""
    return ".".join(description.path)


def _explained(origin: str, description: KeyDescription) -> str:
    default = description.default or ("none: it must be given" if description.required else "none: it may be left out")
    lines = [f"{key_name(description)}{origin}"]
    for label, text in (("", f"{description.description}."), ("value: ", description.values), ("unit: ", description.unit), ("default: ", default)):
        if text:
            lines += textwrap.wrap(f"{label}{text}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)
