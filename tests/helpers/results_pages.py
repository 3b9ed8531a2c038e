"""Puts the tables of the committed results into pages: `python tests/helpers/results_pages.py`.

In results/SUITE/README.md, what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->` is a table of
the results in that folder. In the README, `results/SUITE` stands for the NAME of the headline of that suite.
`records/NAME` stands for the table that docs/examples/NAME.py makes of docs/records/NAME.json. `tuning`
and `settings` stand for what the records below results/tuning reached and chose.
The leaderboard of all of them, results/leaderboard.{json,md,html}, is made anew as well.
"""

import json
import re
import runpy
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from safebench.commands import claims
from safebench.record import files, tuning
from safebench.record.result import Result
from safebench.record.tuning import Tuning
from safebench.report import (
    comparisons,
    cost,
    discrimination,
    leaderboard,
    paper,
    paper_level,
    summary,
    tables,
)
from safebench.report import physics as implementations
from safebench.report import tuning as tuned
from safebench.report.table import Table, markdown

ROOT = Path(__file__).parents[2]
PAPER = paper.load()
TABLES: dict[str, Callable[[Sequence[Result]], Table]] = {
    "unguarded": lambda found: tables.unguarded(found, PAPER),
    "guarded": lambda found: tables.guarded(found, PAPER),
    "stuck": lambda found: tables.stuck(found, PAPER),
    "centres": lambda found: tables.centres(found, PAPER),
    "contest": lambda found: comparisons.contest(found, PAPER),
    "paper-level": lambda found: paper_level.paper_level(found, PAPER),
    "cost": cost.cost,
    "discrimination": discrimination.discrimination,
    "goals": comparisons.goals,
    "physics": lambda found: implementations.physics([*found, *committed(ROOT / "results" / "analytic")]),
}
TUNED: dict[str, Callable[[Sequence[Tuning]], str]] = {
    "tuning": lambda records: body(tuned.tunings(records)),
    "settings": lambda records: "\n".join(map(_chosen, records)),
}
HEADLINES: dict[str, Callable[[Sequence[Result]], str]] = {
    "results/quick": summary.markdown,
    "results/paper": lambda found: f"{body(comparisons.contest(guarded(found), PAPER))}\n",
}
BLOCK = re.compile(r"(<!-- ([a-z/-]+): begin -->\n).*?(<!-- \2: end -->)", re.DOTALL)
README = ROOT / "README.md"


def pages() -> list[Path]:
    """Those that hold tables."""
    return [README, *sorted((ROOT / "results").glob("*/README.md"))]


def filled(page: Path) -> str:
    """A page's text with its tables made anew.

    Raises:
        LookupError: for a table that there is none of.
    """

    def table(block: re.Match[str]) -> str:
        begin, name, end = block.groups()
        if name.startswith("records/"):
            return f"{begin}{recorded(name.removeprefix('records/'))}\n{end}"
        if name in TUNED:
            return f"{begin}{TUNED[name](tunings())}\n{end}"
        if page == README and name in HEADLINES:
            return f"{begin}{HEADLINES[name](committed(ROOT / name))}{end}"
        if name not in TABLES:
            raise LookupError(f"{page}: no table {name!r}; choose from {sorted(TABLES)}")
        return f"{begin}{body(TABLES[name](committed(page.parent)))}\n{end}"

    return BLOCK.sub(table, page.read_text(encoding="utf-8"))


def recorded(name: str) -> str:
    """The table of a record, made by the program that made the record."""
    record = json.loads((ROOT / "docs" / "records" / f"{name}.json").read_text(encoding="utf-8"))
    program = ROOT / "docs" / "examples" / f"{name.replace('-', '_')}.py"
    return "\n".join(runpy.run_path(str(program))["lines"](record))


@cache
def committed(folder: Path) -> list[Result]:
    """The results in a folder."""
    found, problems = files.load_folder(folder)
    assert not problems, problems
    return found


@cache
def tunings() -> list[Tuning]:
    """The records below results/tuning, by task and learner."""
    return [tuning.load(path) for path in sorted((ROOT / "results" / "tuning").glob("*/*.json"))]


def _chosen(record: Tuning) -> str:
    settings = record.tries[record.chosen].settings
    listed = ", ".join(f"`{name}` {value}" for name, value in settings.items())
    return f"- **{record.task}, {record.learner}** (try {record.chosen + 1}): {listed}"


def guarded(found: Sequence[Result]) -> list[Result]:
    """Those with a safeguard."""
    return [result for result in found if result.safeguard.name != "none"]


def body(table: Table) -> str:
    """A table in Markdown without its title and note."""
    return markdown(table).split("\n\n")[1].strip()


def ranked(out: Path) -> list[Path]:
    """The leaderboard of all committed results, written into a folder: as `safebench leaderboard results`."""
    known = claims.known_certificates()
    return leaderboard.write(ROOT / "results", out, known, claims.contradictions).paths


if __name__ == "__main__":
    for each in pages():
        each.write_text(filled(each), encoding="utf-8")
    ranked(ROOT / "results")
