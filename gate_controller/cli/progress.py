"""A progress bar on standard error, when somebody looks at it. Decides nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextlib.contextmanager
def progress_bar(title: str, unit: Literal["bytes", "records"]) -> Iterator[Callable[[int, int], None]]:
    """A bar while the work lasts, or nothing when standard error is no terminal.

    Args:
        title: What is being done.
        unit: What is counted.

    Yields:
        To be told how much is done, and how much there is.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    counter = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    with Progress(TextColumn("{task.description}"), BarColumn(), counter, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
