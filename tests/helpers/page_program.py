"""Run the Python of a page, top to bottom in one namespace, in the folder where this is called.

    python tests/helpers/page_program.py PAGE [--train]

`safebench.train` is called with what the page says, but trains a network of a few numbers for a few steps
(--train), or is only checked and gives a committed result.
"""

import doctest
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import small_cells
from pages import LIBRARIES, PROGRAMS, ROOT, Block, blocks

COMMITTED = ROOT / "results" / "quick" / "pendulum" / "ray-mask--shac.json"


def run(page: str, text: str, train: bool) -> dict[str, Any]:
    """The namespace that the blocks of a page leave.

    Raises:
        what a block raises; AssertionError: if a `>>>` line shows something else.
    """
    import safebench

    safebench.train = _really(safebench.train) if train else _checked()  # type: ignore[assignment]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(text):
        if block.language in PROGRAMS and not block.file and not missing(block):
            _run(page, block, namespace)
    return namespace


def missing(block: Block) -> bool:
    """Whether a block needs a library that is not here."""
    return bool(block.needs) and importlib.util.find_spec(LIBRARIES[block.needs]) is None


def _run(page: str, block: Block, namespace: dict[str, Any]) -> None:
    shown = doctest.DocTestParser().get_doctest(block.text, namespace, page, page, block.line - 1)
    if not shown.examples:
        exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), namespace)
        return
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed = runner.run(shown, out=said.append, clear_globs=False).failed
    namespace.update(shown.globs)
    assert not failed, "".join(said)


def _really(train: Any) -> Any:
    """Train what is asked for, made small."""

    def small(task: str, safeguard: str, learner: str, **options: Any) -> Any:
        seeds = options.get("seeds", 1)
        options |= {f"learner_{field}": value for field, value in small_cells.LEARNERS[learner].items()}
        options |= {f"evaluation_{field}": value for field, value in small_cells.EVALUATION.items()}
        options |= {
            "seeds": 1 if isinstance(seeds, int) else seeds[:1],
            "interactions": small_cells.INTERACTIONS,
        }
        return train(task, safeguard, learner, **options | {"physics": "compiled", "progress": False})

    return small


def _checked() -> Any:
    """Check what is asked for, and give a result that was trained long ago."""
    from safebench.record import files
    from safebench.runs import api

    def checked(*names: str, **options: Any) -> Any:
        bound = inspect.signature(api.train).bind(*names, **options)
        bound.apply_defaults()
        bound.arguments.pop("progress")
        small_cells.check(api._cell(**bound.arguments))
        return files.load(COMMITTED)

    return checked


if __name__ == "__main__":
    page = Path(sys.argv[1])
    run(str(page), page.read_text(), "--train" in sys.argv[2:])
