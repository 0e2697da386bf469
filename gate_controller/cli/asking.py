"""Whom the commands for engineers ask: the gate controller where it runs, else the devices themselves, never both.

Prints nothing; an error goes up to main, which knows its exit code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import structlog

from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.control.client import GateClient
from gate_controller.diagnostics.site import Mode, Site
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError, DeviceError, GateError, RefusedByStateError
from gate_controller.settings import Settings

OPEN_S = 8.0
CALL_S = 3.0


def site_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config, --socket and --json to a command; it gets `site` and `as_json`."""

    def with_site(config: Path, socket_path: Path | None, **others: Any) -> Any:
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # what the parts log is for the daemon's log, and would stand among the output
        return command(site=Site(config, socket_path), **others)

    with_site.__doc__ = command.__doc__
    with_site.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("as_json", "--json", is_flag=True, help="Print JSON."),
        click.option(
            "--socket",
            "socket_path",
            type=click.Path(path_type=Path, readable=False),
            default=None,
            envvar="GATECTL_SOCKET",
            show_envvar=True,
            help="Control socket of the gate controller; default: the configuration's.",
        ),
        click.option("--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate."),
    ):
        with_site = option(with_site)
    return with_site


def daemon(site: Site) -> GateClient | None:
    """The gate controller's client; None where none runs and the devices may be opened.

    Raises:
        GateError: One may run, and does not answer or does not let this user in; or there is no configuration.
    """
    if site.mode is Mode.DAEMON:
        return site.client
    if site.mode is Mode.DEVICES:
        return None
    if isinstance(site.loaded, GateError):
        raise site.loaded
    if isinstance(site.answer, GateError) and (site.listening or not site.journal_held):
        raise site.answer
    what = f"a gate controller writes the journal, and nobody answers at {site.control_socket}: it may have the devices"
    raise RefusedByStateError(what, "name its socket with --socket, or stop it: sudo systemctl stop gate-controller")


def settings_of(site: Site) -> Settings:
    """The configuration.

    Raises:
        ConfigurationError: It cannot be used.
    """
    if isinstance(site.loaded, GateError):
        raise site.loaded
    return site.loaded


def built(site: Site, name: str) -> Any:
    """A device of the configuration, not opened.

    Raises:
        ConfigurationError: The configuration has none of that name, or its driver cannot be built.
    """
    settings = settings_of(site)
    configured = settings.equipment.get(name)
    if configured is None:
        what = f"the configuration has no [devices.{name}]"
        raise ConfigurationError(what, "gatectl config explain devices")
    return configured.driver.build(configured.options, DriverContext(site.clock, settings.models.directory, lambda line: click.echo(f"note: {line}", err=True)))


@contextlib.contextmanager
def opened(site: Site, name: str, *, to_look: bool = False) -> Iterator[Any]:
    """A device, open, where no gate controller has it.

    Args:
        site: The gate.
        name: The device.
        to_look: Of the I/O board: to read it alone, which leaves doors and lamps as they are (IoBoard.open_to_look).

    Raises:
        DeviceError: It cannot be opened.
    """
    device = built(site, name)
    try:
        (device.open_to_look if to_look else device.open)(site.clock.monotonic() + OPEN_S)
        yield device
    finally:
        with contextlib.suppress(DeviceError):
            device.close()
