"""The notebooks of docs/notebooks run, what they claim holds, and what is stored of them can be shown."""

import base64
import re
import shutil

import nbformat
import notebooks
import pytest
from nbclient.exceptions import CellExecutionError

LARGEST = 600_000
"""Bytes of a notebook with its figures."""
EXPECTED = ("a-figure-of-the-paper.ipynb", "a-new-safeguard.ipynb", "certify-your-own-system.ipynb")
RESULTS = {"a-figure-of-the-paper.ipynb"}
"""Those that show committed results too, where there are any."""
MACHINE = r"/(home|root|work|tmp|Users|usr|opt)/|[A-Z]:\\|\b\d\d:\d\d:\d\d\b|\b20\d\d-\d\d-\d\d\b|\x1b"
"""Paths of a machine, times and dates, codes of a terminal."""


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def faults(notebook):
    """What is wrong with a stored notebook, one line each."""
    cells = code(notebook)
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "its kernel is not python3"
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        yield "its cells were not run once, from top to bottom"
    outputs = [output for cell in cells for output in cell.outputs]
    if not any("image/png" in output.get("data", {}) for output in outputs):
        yield "it shows no figure"
    for output in outputs:
        if output.output_type == "error" or output.get("name") == "stderr":
            yield f"an error: {output.get('ename', output.get('text'))}"
        shown = output.get("text", "") + "".join(
            text for kind, text in output.get("data", {}).items() if kind.startswith("text/")
        )
        if found := re.search(MACHINE, shown):
            yield f"of a machine: {found.group(0)!r}"
        if "image/png" in output.get("data", {}):
            if not base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG"):
                yield "a figure that is no PNG"
        elif any(kind.startswith(("image/", "application/")) for kind in output.get("data", {})):
            yield f"a figure or widget of another kind: {list(output.data)}"
    text = "".join(cell.source for cell in cells)
    if "assert " not in text:
        yield "it claims nothing that could fail"


def test_the_notebooks_are_there():
    assert set(EXPECTED) <= set(notebooks.names())


@pytest.mark.parametrize("name", notebooks.names())
def test_what_is_stored_is_fit_to_be_shown(name):
    notebook = notebooks.read(name)
    nbformat.validate(notebook)
    assert list(faults(notebook)) == []
    assert (notebooks.FOLDER / name).stat().st_size < LARGEST
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert "At the end you have" in first.source
    assert "minute" in first.source
    assert len(code(notebook)) >= 5


def _no_output(notebook):
    for cell in code(notebook):
        cell.outputs, cell.execution_count = [], None


def _error(notebook):
    code(notebook)[0].outputs = [nbformat.v4.new_output("error", ename="KeyError", evalue="x", traceback=[])]


def _path(notebook):
    code(notebook)[0].outputs = [nbformat.v4.new_output("stream", text="Wrote /home/somebody/mast.npz\n")]


def _clock(notebook):
    code(notebook)[0].outputs = [nbformat.v4.new_output("stream", text="done at 12:30:01\n")]


def _colour(notebook):
    code(notebook)[0].outputs = [nbformat.v4.new_output("stream", text="\x1b[31mred\x1b[0m\n")]


def _kernel(notebook):
    notebook.metadata.kernelspec.name = "my-environment"


def _no_claim(notebook):
    for cell in code(notebook):
        cell.source = cell.source.replace("assert ", "print ")


@pytest.mark.parametrize("spoil", [_no_output, _error, _path, _clock, _colour, _kernel, _no_claim])
def test_what_is_not_fit_is_found(spoil):
    notebook = notebooks.read(EXPECTED[0])
    spoil(notebook)
    assert list(faults(notebook))


@pytest.mark.slow
@pytest.mark.parametrize("name", notebooks.names())
def test_it_runs_from_an_empty_folder(name, tmp_path):
    stored = notebooks.read(name)
    if name in RESULTS:
        shutil.copytree(notebooks.ROOT / "results", tmp_path / "results")
    done = notebooks.tidy(notebooks.execute(notebooks.read(name), tmp_path))
    assert list(faults(done)) == []
    for before, after in zip(code(stored), code(done), strict=True):
        kinds = [[output.output_type for output in cell.outputs] for cell in (before, after)]
        assert kinds[0] == kinds[1]  # what is stored is what such a run shows


@pytest.mark.slow
def test_a_false_claim_fails_the_run(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 1 + 1 == 3")])
    with pytest.raises(CellExecutionError, match="AssertionError"):
        notebooks.execute(notebook, tmp_path)
    true = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("%%bash\nsafebench list suites | grep -c quick")]
    )
    assert notebooks.execute(true, tmp_path).cells[0].outputs[0].text == "1\n"
