"""The notebooks of docs/notebooks: run from a folder, and written with what they show.

.venv/bin/python tests/helpers/notebooks.py [NAME.ipynb ...]     # runs them, writes their outputs
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "notebooks"
LIMIT = 600
"""Seconds that a cell may take, on a machine that has other work to do."""


def names() -> list[str]:
    """The files, without their folder."""
    return sorted(path.name for path in FOLDER.glob("*.ipynb"))


def read(name: str) -> NotebookNode:
    """A notebook as it is stored."""
    return nbformat.read(FOLDER / name, as_version=4)


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run a notebook from a folder, with the Python of this process; its cells then hold what they show.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    plain = {"PATH": programs, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TF_CPP_MIN_LOG_LEVEL": "3"}
    # A command that ran in this process has set its own backend; a notebook needs the kernel's.
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    client = NotebookClient(
        notebook,
        timeout=LIMIT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute(env=inherited | plain)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Without metadata of a machine; neighbouring pieces of one stream joined."""
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        mystnb={"render_markdown_format": "myst"},  # the site's renderer: tables in outputs
    )
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        joined: list[NotebookNode] = []
        for output in cell.get("outputs", ()):
            last = joined[-1] if joined else None
            if last and output.output_type == "stream" and last.get("name") == output.name:
                last.text += output.text
            else:
                joined.append(output)
        if "outputs" in cell:
            cell.outputs = joined
    return notebook


def write(name: str) -> Path:
    """Run a notebook where there is a copy of the results, and store it with what it shows."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "results", Path(folder) / "results")
        notebook = tidy(execute(read(name), Path(folder)))
    nbformat.write(notebook, FOLDER / name)
    return FOLDER / name


if __name__ == "__main__":
    for chosen in sys.argv[1:] or names():
        print(f"wrote {write(Path(chosen).name)}")
