"""Tables on terminals of any width: no heading and no value is cut, no text is read as markup."""

import io
import re

import pytest
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from safebench.report import fit

HEADINGS = ("safeguard", "return\nIQM [95 %]", "viola-\ntions", "what it [/is]")
ROWS = [
    ("ray-mask\n+regularised", "-12.3\n[-14.0, -11.1]", "1,234", "draws [red]every[/red] action in"),
    ("none", "-110.4", Text("15,299", style="red"), "x" * 30),
]


def made(no_wrap=False):
    table = Table(title="Results [/of] all", box=box.SIMPLE_HEAD, pad_edge=False, caption="all [/seeds]")
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=no_wrap)
    for row in ROWS:
        table.add_row(*row)
    return table


def shown(table, width, by=fit.show):
    console = Console(file=io.StringIO(), width=width)
    by(table, console)
    return console.file.getvalue()


def words(text):
    return re.findall(r"\w+", text)


@pytest.mark.parametrize("no_wrap", [False, True])
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_every_word_of_every_heading_and_value_is_there_uncut(width, no_wrap):
    text = shown(made(no_wrap), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    seen = words(text)
    for part in [*HEADINGS, *(str(value) for row in ROWS for value in row)]:
        whole = part.replace("-\n", "")
        assert set(words(whole)) <= set(seen) or set(words(part)) <= set(seen), part
    assert "Results [/of] all" in text
    assert "all [/seeds]" in text
    assert "[red]every[/red]" in text


def test_rich_alone_would_cut_them():
    """The control: what the tests above look for is what happens without `fit`."""

    def plainly(table, console):
        console.print(table, markup=False)

    table = Table("safeguard", "a long heading", Column("violations", no_wrap=True))
    table.add_row("ray-mask-hyperbolic+regularised", "[red]every", "1,234,567,890,123")
    assert "…" in shown(table, 40, plainly)
    assert "[red]every" in shown(table, 40)
    assert "[red]every" not in shown(table, 200, lambda table, console: console.print(table))


def test_a_wide_terminal_has_one_line_per_row_and_a_narrow_one_a_record():
    table = Table("task", "states", "safe set")
    table.add_row("pendulum", "2", "proven")
    assert any({"pendulum", "2", "proven"} <= set(words(line)) for line in shown(table, 60).splitlines())
    assert shown(table, 20).splitlines() == ["task: pendulum", "  states: 2", "  safe set: proven", ""]


def test_names_and_headings_broken_over_lines_are_whole_in_a_record():
    lines = [line.rstrip() for line in shown(made(), 40).splitlines()]
    assert "safeguard: ray-mask+regularised" in lines
    assert "  return IQM [95 %]: -12.3 [-14.0," in lines
    assert "  violations: 1,234" in lines


def test_empty_cells_say_nothing_in_a_record():
    table = Table("a" * 30, "b" * 30)
    table.add_row("section", "")
    assert shown(table, 40).splitlines() == ["section", ""]


def test_the_table_given_is_left_as_it_was():
    table = made()
    before = [(column.header, column.width, list(column.cells)) for column in table.columns]
    shown(table, 200)
    shown(table, 40)
    assert [(column.header, column.width, list(column.cells)) for column in table.columns] == before


@pytest.mark.parametrize("width", [12, 40, 80])
def test_rows_that_come_one_by_one_are_printed_at_once_and_whole(width):
    table = Table(title="Sets [/of] all", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("task", "states", "safe [/set]"):
        table.add_column(heading, no_wrap=True)
    table.columns[0].min_width = 9
    console = Console(file=io.StringIO(), width=width, markup=False)
    add = fit.begin(table, console)
    assert words(console.file.getvalue())[:3] == ["Sets", "of", "all"]
    assert ("states" in console.file.getvalue()) == (width > 12)  # records say it in every row
    told = []
    for cells in [("[/a]", "2", Text("proven", style="green")), ("longer than it said", "3", "no")]:
        before = len(console.file.getvalue())
        add(*cells)
        told.append(console.file.getvalue()[before:])
        assert sorted("".join(map(str, cells)).replace(" ", "")) == sorted(
            re.sub(r"task: |states: |safe|\[/set\]:|\s", "", told[-1])
        )
    assert max(map(len, console.file.getvalue().splitlines())) <= width
    assert "proven" in told[0]
    assert "…" not in "".join(told)
    assert not table.columns[0]._cells  # the caller's table is as it was
