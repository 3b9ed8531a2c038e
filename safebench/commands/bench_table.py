"""How the tables of `safebench bench` look."""

from rich import box
from rich.table import Table

NAMES = ("task", "system", "safeguard", "physics", "part", "of", "time", "grows")
"""Headings of columns that hold names: to the left, and never broken."""


def table(title: str | None, *headings: str) -> Table:
    """A table without rows; numbers stand to the right."""
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        named = heading in NAMES
        made.add_column(heading, justify="left" if named else "right", no_wrap=named)
    return made
