"""Where the files of a cell are, below the folder of the results."""

from pathlib import Path

from safebench.record import files
from safebench.runs import checkpoint
from safebench.runs.cell import Cell


def path_of(cell: Cell, folder: Path) -> Path:
    """The result file of a cell."""
    return files.cell_path(folder, _stem(cell.task), _stem(cell.safeguard), _stem(cell.learner))


def beside(cell: Cell, folder: Path) -> Path:
    """The checkpoint folder of a cell."""
    return checkpoint.beside(path_of(cell, folder))


def _stem(name: str) -> str:
    """A plug-in's short name: of `./my_task.py` and `package.my_task` it is `my-task`."""
    if name.endswith(".py"):
        return Path(name).stem.replace("_", "-").lower()
    return name.rpartition(".")[2].replace("_", "-").lower()
