"""Tables that fit the terminal: as they are where there is room, else one record per row; nothing is cut.

`show` prints a whole table, `begin` one whose rows are still to come.

No string is read as markup, whatever the console.
"""

import copy
import dataclasses
import re
from collections.abc import Callable

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

NARROWEST = 16
"""Characters: a column of prose is made no narrower than this before the table becomes records."""
UNBOUNDED = 100_000


def show(table: Table, console: Console) -> None:
    """Print a table whose cells and headings are strings or Texts; as records where it would be cut."""
    literal = _literal(table)
    widths = _widths(literal, console)
    if widths is None:
        _records(literal, console)
        return
    for column, width in zip(literal.columns, widths, strict=True):
        column.width = width
    console.print(literal, crop=False)


def begin(table: Table, console: Console) -> Callable[..., None]:
    """Print the title and headings of a table without rows; what is returned prints a row, given its cells.

    A column is as wide as its heading or its `min_width`; cells that are wider are folded.
    """
    empty = _literal(table)
    for column in empty.columns:
        column.width = max(column.min_width or 0, cell_len(str(column.header)))
        column.overflow, column.no_wrap = "fold", False
    fits = sum(column.width or 0 for column in empty.columns) + _chrome(empty, console) <= console.width
    title = Text(str(empty.title or ""), style="table.title" if fits else "bold")
    empty.title, empty.show_edge = None, False
    _wrapped(title, 0, console)
    if fits:
        console.print()
        console.print(_indented(empty), crop=False)

    def add(*cells: str | Text) -> None:
        row = copy.copy(empty)
        row.columns = [dataclasses.replace(column, _cells=[]) for column in empty.columns]
        row.rows, row.show_header = [], False
        row.add_row(*map(_text, cells))
        if fits:
            console.print(_indented(row), crop=False)
        else:
            _record(row, 0, console)

    return add


def _indented(table: Table) -> Padding:
    """A table without edges, where one with edges would be."""
    return Padding(table, (0, 0, 0, 1), expand=False)


def _literal(table: Table) -> Table:
    """A copy whose strings are Texts."""
    copied = copy.copy(table)
    copied.columns = [
        dataclasses.replace(
            column, header=_text(column.header), _cells=[_text(cell) for cell in column._cells]
        )
        for column in table.columns
    ]
    copied.title = None if table.title is None else _text(table.title)
    copied.caption = None if table.caption is None else _text(table.caption)
    return copied


def _text(part: object) -> Text:
    return part.copy() if isinstance(part, Text) else Text(str(part))


def _widths(table: Table, console: Console) -> list[int] | None:
    """The width of every column, so that no word is broken; None if there is no room for that."""
    least, natural = zip(*(_measure(column) for column in table.columns), strict=True)
    room = max(console.width, 1) - _chrome(table, console)
    if sum(least) > room:
        return None
    widths = list(least)
    for _ in range(min(room, sum(natural)) - sum(least)):
        short = [index for index, width in enumerate(widths) if width < natural[index]]
        widths[min(short, key=lambda index: widths[index])] += 1
    return widths


def _measure(column: Column) -> tuple[int, int]:
    """The least width in which no word of a column is broken, and the one in which no line is."""
    texts = [str(part) for part in (column.header, *column._cells)]
    line = max((cell_len(line) for text in texts for line in text.split("\n")), default=0)
    if column.no_wrap:
        return max(line, 1), max(line, 1)
    word = max((cell_len(word) for text in texts for word in text.split()), default=0)
    return max(word, min(line, NARROWEST), 1), max(line, 1)


def _chrome(table: Table, console: Console) -> int:
    """What a table needs beside its columns: lines and padding."""
    empty = copy.copy(table)
    empty.columns = [dataclasses.replace(column, width=1) for column in table.columns]
    options = console.options.update(max_width=UNBOUNDED)
    return console.measure(empty, options=options).maximum - len(table.columns)


def _records(table: Table, console: Console) -> None:
    if table.title is not None:
        _wrapped(Text(str(table.title), style="bold"), 0, console)
    for index in range(len(table.rows)):
        _record(table, index, console)
    if table.caption is not None:
        _wrapped(Text(str(table.caption), style="dim"), 0, console)
    console.print()


def _record(table: Table, index: int, console: Console) -> None:
    first, *others = table.columns
    values = [(column, _one_line(_text(column._cells[index]))) for column in others]
    said = [(column, value) for column, value in values if value.plain]
    name = _one_line(_text(first._cells[index]))
    # A row with nothing but its first cell is the heading of those below.
    _wrapped(_said(first, name) if said or not others else name, 0, console)
    for column, value in said:
        _wrapped(_said(column, value), 2, console)


def _said(column: Column, value: Text) -> Text:
    return Text.assemble((_heading(column), "bold"), ": ", value)


def _heading(column: Column) -> str:
    """A heading in one line, hyphens at the ends of its lines taken out."""
    return re.sub(r"\s+", " ", re.sub(r"-\n\s*", "", str(column.header))).strip()


def _one_line(text: Text) -> Text:
    """A cell in one line; a name that was broken before its plus sign is whole again."""
    lines = [line for line in text.split("\n") if line.plain]
    whole = Text(style=text.style)
    for line in lines:
        joint = " " if whole.plain and not line.plain.startswith("+") else ""
        whole = Text.assemble(whole, joint, line)
    return whole


def _wrapped(text: Text, indent: int, console: Console) -> None:
    text.overflow, text.no_wrap = "fold", False
    console.print(Padding(text, (0, 0, 0, indent), expand=False))
