"""The reference of commands, doctor's checks, configuration, reason codes, events, exit codes, fields of --json and metrics (docs/reference), written from the code.

`python -m tests.reference` (make reference) writes the pages anew; test_reference.py sees that they are current and that nothing is left out.
"""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "docs" / "reference"
