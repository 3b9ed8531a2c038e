"""Where the files of a cell are, below the folder of the results."""

from pathlib import Path

from safebench.plugin import name_of
from safebench.record import files
from safebench.runs import checkpoint
from safebench.runs.cell import Cell


def path_of(cell: Cell, folder: Path) -> Path:
    """The result file of a cell."""
    return files.cell_path(folder, *(name_of(name) for name in (cell.task, cell.safeguard, cell.learner)))


def beside(cell: Cell, folder: Path) -> Path:
    """The checkpoint folder of a cell."""
    return checkpoint.beside(path_of(cell, folder))
