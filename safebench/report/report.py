"""`safebench report DIR`: the paper's tables, two more, and all figures, from a folder's result files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from safebench import atomic
from safebench.record import files
from safebench.record.result import Result
from safebench.report import comparisons, plots, summary, tables
from safebench.report import paper as papers
from safebench.report.paper import Paper
from safebench.report.selection import one_per_cell
from safebench.report.table import comma_separated, latex, markdown


class Report(NamedTuple):
    """What was written, and one line for everything that was left out and why."""

    written: list[Path]
    left_out: list[str]


def write(folder: str | Path, out: str | Path | None = None, paper: str | Path | None = None) -> Report:
    """Write tables (md, tex, csv) and figures (png, svg, pdf) of a folder's results.

    Args:
        folder: where the results are (any depth).
        out: where the report goes; FOLDER/report by default.
        paper: a file of reference figures; the shipped ones by default.

    Raises:
        ValueError: if the folder does not exist or holds no readable result.
        OSError: if the report cannot be written.
    """
    folder = Path(folder)
    found, left_out = files.load_folder(folder)
    if not found:
        why = f": {left_out[0]}" if left_out else ""
        raise ValueError(f"{folder}: no results to report{why}")
    cells, others = one_per_cell(found)
    left_out += others
    target = Path(out) if out is not None else folder / "report"
    written = _tables(cells, papers.load(paper or papers.FILE), target, left_out)
    written += _figures(cells, target, left_out)
    return Report(written, left_out)


def _tables(cells: list[Result], paper: Paper, target: Path, left_out: list[str]) -> list[Path]:
    built = [
        *tables.all_tables(cells, paper),
        comparisons.contest(cells, paper),
        comparisons.improvement(cells, paper),
    ]
    shown = [table for table in built if table.rows]
    for table in built:
        if not table.rows:
            left_out.append(f"table '{table.title}': no result covers it")
        elif table.missing:
            left_out.append(
                f"table '{table.title}': no result for {len(table.missing)} of the paper's cells, "
                f"e.g. {table.missing[0]}"
            )
    document = [
        "# Results",
        summary.markdown(cells),
        *[markdown(table) for table in shown],
        f"Paper: {paper.source}.\n",
    ]
    written = [_text(target / "tables.md", "\n".join(document))]
    for table in shown:
        written.append(_text(target / f"{table.name}.tex", latex(table)))
        written.append(_text(target / f"{table.name}.csv", comma_separated(table)))
    return written


def _figures(cells: list[Result], target: Path, left_out: list[str]) -> list[Path]:
    drawings: dict[str, Callable[[Sequence[Result]], Figure | None]] = {
        "learning-curves": plots.learning_curves,
        "return-interventions": plots.return_and_interventions,
        "performance-profile": plots.performance_profile,
        "run-time": plots.run_time_overhead,
    }
    written = []
    for name, draw in drawings.items():
        figure = draw(cells)
        if figure is None:
            left_out.append(f"figure {name}: the results have nothing to compare")
        else:
            written += plots.save(figure, target / name)
    return written


def _text(path: Path, text: str) -> Path:
    atomic.write(path, text)
    return path
