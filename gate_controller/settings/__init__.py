"""Configuration: gate.toml and policy.toml, validated strictly, with every error at its line.

Does not open devices or stores, and loads no driver: those are handed in (ports.drivers).
"""

from gate_controller.settings.load import Settings, load
from gate_controller.settings.problems import InvalidConfigurationError, Problem
from gate_controller.settings.simulators import refuse_simulators

__all__ = ["InvalidConfigurationError", "Problem", "Settings", "load", "refuse_simulators"]
