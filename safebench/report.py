"""`safebench report DIR`: the paper's tables, two more, and all figures, from a folder's result files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from safebench import contest, improvement, plots, reference, result_file, summary, table_text, tables
from safebench.reference import Paper
from safebench.result import Result


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
    found, left_out = result_file.load_folder(folder)
    if not found:
        why = f": {left_out[0]}" if left_out else ""
        raise ValueError(f"{folder}: no results to report{why}")
    cells, others = one_per_cell(found)
    left_out += others
    target = Path(out) if out is not None else folder / "report"
    target.mkdir(parents=True, exist_ok=True)
    written = _tables(cells, reference.load(paper or reference.FILE), target, left_out)
    written += _figures(cells, target, left_out)
    return Report(written, left_out)


def one_per_cell(results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """Of results of the same cell (from several suites) the one with most interactions in all."""
    best: dict[str, Result] = {}
    left_out = []
    for cell in sorted(results, key=lambda r: r.interactions * len(r.runs), reverse=True):
        if cell.title in best:
            kept = best[cell.title].suite
            left_out.append(f"{cell.title} of suite {cell.suite}: shown from suite {kept}")
        else:
            best[cell.title] = cell
    return list(best.values()), left_out


def _tables(cells: list[Result], paper: Paper, target: Path, left_out: list[str]) -> list[Path]:
    built = [
        *tables.all_tables(cells, paper),
        contest.contest(cells, paper),
        improvement.improvement(cells, paper),
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
        *[table_text.markdown(table) for table in shown],
        f"Paper: {paper.source}.\n",
    ]
    written = [_text(target / "tables.md", "\n".join(document))]
    for table in shown:
        written.append(_text(target / f"{table.name}.tex", table_text.latex(table)))
        written.append(_text(target / f"{table.name}.csv", table_text.comma_separated(table)))
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
    path.write_text(text)
    return path
