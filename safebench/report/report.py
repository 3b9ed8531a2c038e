"""`safebench report DIR`: the paper's tables, ours, and all figures, from a folder's result files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from safebench import atomic
from safebench.record import admission
from safebench.record.admission import Claims, Known, LeftOut
from safebench.record.result import Result
from safebench.report import comparisons, cost, discrimination, paper_level, plots, soft, summary, tables
from safebench.report import paper as papers
from safebench.report import physics as implementations
from safebench.report.paper import Paper
from safebench.report.selection import one_per_cell
from safebench.report.table import Table, comma_separated, latex, markdown


class Report(NamedTuple):
    """What was written; what was left out, a line for each reason; what to know about what was written."""

    written: list[Path]
    left_out: list[str]
    remarks: list[str]


def write(
    folder: str | Path,
    out: str | Path | None = None,
    paper: str | Path | None = None,
    known: Known | None = None,
    claims: Claims | None = None,
) -> Report:
    """Write tables (md, tex, csv) and figures (png, svg, pdf) of a folder's results.

    Args:
        folder: where the results are (any depth).
        out: where the report goes; FOLDER/report by default.
        paper: a file of reference figures; the shipped ones by default.
        known: digests of every task's certificates; None: certificates are not checked.
        claims: what contradicts a result's claim to be standard; None: nothing is looked at.

    Raises:
        ValueError: if the folder does not exist, or holds no readable result or none that passes the checks.
        OSError: if the report cannot be written.
    """
    folder = Path(folder)
    reference = papers.load(paper or papers.FILE)
    found, left_out = admission.admit(folder, known, claims, "to report")
    if not found:
        raise ValueError(f"{folder}: no results to report: {'; '.join(admission.grouped(left_out))}")
    cells, others = one_per_cell(found)
    target = Path(out) if out is not None else folder / "report"
    atomic.check_writable(target / "tables.md")
    extra = implementations.physics(found)  # of the same cells, of which the others show one
    written, no_tables, remarks = _tables(cells, reference, [extra] if extra.rows else [], target)
    figures, no_figures = _figures(cells, target)
    unchecked = [cell.title for cell in cells if admission.unknown_task(cell, known)]
    if unchecked:
        remarks.append(
            f"the certificates of {_some(unchecked)} could not be checked: their tasks are not installed here"
        )
    missing = admission.grouped([*left_out, *others, *no_tables, *no_figures])
    return Report([*written, *figures], missing, remarks)


def _tables(
    cells: list[Result], paper: Paper, extra: list[Table], target: Path
) -> tuple[list[Path], list[LeftOut], list[str]]:
    """The files written, the tables that no result covers, and the paper's cells that a table lacks."""
    built = [
        *tables.all_tables(cells, paper),
        comparisons.contest(cells, paper),
        comparisons.improvement(cells, paper),
        paper_level.paper_level(cells, paper),
        cost.cost(cells),
        discrimination.discrimination(cells),
        *([comparisons.goals(cells)] if _goals(cells) else []),
        *([soft.soft(cells)] if any(soft.limit(cell) is not None for cell in cells) else []),
        *extra,
    ]
    shown = [_with_failures(table, cells) for table in built if table.rows]
    document = [
        "# Results",
        summary.markdown(cells),
        *[markdown(table) for table in shown],
        f"Paper: {paper.source}.\n",
    ]
    texts = {"tables.md": "\n".join(document)}
    for table in shown:
        texts |= {f"{table.name}.tex": latex(table), f"{table.name}.csv": comma_separated(table)}
    for name, text in texts.items():
        atomic.write(target / name, text)
    empty = [
        LeftOut(f"table {table.title!r}", "no result covers it", "table") for table in built if not table.rows
    ]
    remarks = [
        f"table {table.title!r} is written; of the paper's cells {len(table.missing)} have no result here, "
        f"e.g. {table.missing[0]}"
        for table in shown
        if table.missing
    ]
    return [target / name for name in texts], empty, remarks


def _with_failures(table: Table, cells: Sequence[Result]) -> Table:
    """The table, with a sentence on the results in it that learnt nothing."""
    failed = [cell.title for cell in cells if cell.failed_seeds]
    if not failed:
        return table
    return table._replace(note=f"{table.note} Failed, every update of a seed skipped: {', '.join(failed)}.")


def _figures(cells: list[Result], target: Path) -> tuple[list[Path], list[LeftOut]]:
    drawings: dict[str, Callable[[Sequence[Result]], Figure | None]] = {
        "learning-curves": plots.learning_curves,
        **({"success": plots.success_curves} if _goals(cells) else {}),
        "return-interventions": plots.return_and_interventions,
        "performance-profile": plots.performance_profile,
        "run-time": plots.run_time_overhead,
    }
    written: list[Path] = []
    left_out = []
    for name, draw in drawings.items():
        figure = draw(cells)
        if figure is None:
            left_out.append(LeftOut(f"figure {name}", "the results have nothing to compare", "figure"))
        else:
            written += plots.save(figure, target / name)
    return written, left_out


def _goals(cells: Sequence[Result]) -> bool:
    """Whether any task has a goal: what is said of goals is missing nowhere else."""
    return any(cell.has_goal for cell in cells)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
