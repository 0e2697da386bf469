"""What `gatectl doctor` asks of one gate: configuration, files, clock, disk, devices, service. Each answer names its remedy.

Changes nothing: doors and lamps stay as they are. Prints nothing and chooses no exit code: the command line does.
"""

from gate_controller.diagnostics.findings import Finding, Group, Report, examine
from gate_controller.diagnostics.groups import all_groups
from gate_controller.diagnostics.site import Mode, Site

__all__ = ["Finding", "Group", "Mode", "Report", "Site", "all_groups", "examine"]
