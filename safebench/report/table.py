"""A table, and how it reads as markdown, LaTeX and CSV."""

import csv
import io
from typing import NamedTuple

from safebench.report import escape
from safebench.report.numbers import interval, number
from safebench.report.stats import Estimate

Entry = str | int | float | Estimate | None
DIVERGED = "diverged"
DIVERGED_NOTE = (
    "Diverged: the return of at least one seed that counts here was not finite, which is the worst there is."
)


class Table(NamedTuple):
    """A table with typed entries: formatting comes last, and CSV keeps every digit.

    missing: cells the paper has and our results do not.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str
    missing: tuple[str, ...] = ()


def markdown(table: Table) -> str:
    """The table under a heading, with its note."""
    left = _left_columns(table)
    lines = [f"## {table.title}", "", "| " + " | ".join(map(_one_cell, table.header)) + " |"]
    lines += ["|" + "|".join("---" if index < left else "--:" for index in range(len(table.header))) + "|"]
    lines += ["| " + " | ".join(_markdown_entry(entry) for entry in row) + " |" for row in table.rows]
    return "\n".join(lines) + f"\n\n{full_note(table)}\n"


def full_note(table: Table) -> str:
    """The note, and what "diverged" means where an entry says so."""
    texts = (_text(entry) for row in table.rows for entry in row if not isinstance(entry, str))
    return f"{table.note} {DIVERGED_NOTE}" if any(DIVERGED in text for text in texts) else table.note


def latex(table: Table) -> str:
    """A `table` environment (packages: booktabs; wide tables: inside `table*` or with `resizebox`)."""
    left = _left_columns(table)
    columns = "l" * left + "r" * (len(table.header) - left)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape.latex(table.title)}. {escape.latex(table.note)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(escape.latex, table.header)) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join(_latex_entry(entry) for entry in row) + r" \\" for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if full_note(table) != table.note:
        lines.append(rf"\par\smallskip{{\footnotesize {escape.latex(DIVERGED_NOTE)}}}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def comma_separated(table: Table) -> str:
    """CSV with full precision; an estimate takes three columns: value, low, high."""
    wide = [any(isinstance(row[index], Estimate) for row in table.rows) for index in range(len(table.header))]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    header = []
    for index, name in enumerate(_distinct(table.header)):
        header += [name, f"{name} low", f"{name} high"] if wide[index] else [name]
    writer.writerow(header)
    for row in table.rows:
        line: list[Entry] = []
        for index, entry in enumerate(row):
            line += (list(entry) if isinstance(entry, Estimate) else [None] * 3) if wide[index] else [entry]
        writer.writerow([_csv_entry(entry) for entry in line])
    return buffer.getvalue()


def _csv_entry(entry: Entry) -> Entry:
    return "" if entry is None else escape.csv(entry) if isinstance(entry, str) else entry


def _distinct(header: tuple[str, ...]) -> list[str]:
    """A column called "paper" belongs to the one on its left."""
    return [f"{header[i - 1]} ({name})" if name == "paper" else name for i, name in enumerate(header)]


def _left_columns(table: Table) -> int:
    """How many leading columns hold names."""
    if not table.rows:
        return 1
    return next((i for i, entry in enumerate(table.rows[0]) if not isinstance(entry, str)), len(table.header))


def _text(entry: Entry) -> str:
    if entry is None:
        return "-"
    if isinstance(entry, Estimate):
        return interval(entry)
    if isinstance(entry, int):
        return f"{entry:,}"
    if isinstance(entry, float):
        # Small times and ratios need their digits, returns and counts do not.
        return f"{entry:.2g}" if 0 < abs(entry) < 0.1 else number(entry)
    return entry


def _markdown_entry(entry: Entry) -> str:
    return escape.markdown(entry) if isinstance(entry, str) else _text(entry)


def _one_cell(heading: str) -> str:
    return heading.replace("|", "\\|").replace("\n", " ")


def _latex_entry(entry: Entry) -> str:
    text = escape.latex(_text(entry))
    return text if isinstance(entry, str) else text.replace("-", "$-$") if text != "-" else "--"
