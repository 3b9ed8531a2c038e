"""Where commands print: no string is ever read as markup, wherever it came from."""

import os

from rich.console import Console


def make(stderr: bool = False) -> Console:
    """A console on standard output, or on standard error; COLUMNS counts where it is a width."""
    columns = os.environ.get("COLUMNS", "")
    no_width = columns.isdigit() and int(columns) == 0
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=80 if no_width else None)
