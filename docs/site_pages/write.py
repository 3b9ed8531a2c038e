"""Writes `docs/generated/`: a page for every registered task, safeguard and learner, and some from elsewhere.

`docs/conf.py` calls it before each build. A plug-in that is registered tomorrow has its page tomorrow.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from safebench import registry
from safebench.plugin import Kind
from site_pages import command_page, measured_page, plugin_pages, task_page
from site_pages.links import GENERATED, PAGES, resolved
from site_pages.pictures import picture
from site_pages.text import table

INTRODUCTIONS: dict[Kind, str] = {
    "task": "Tasks with a certified safe set. Shares are of the constraint box, by Monte Carlo, read from "
    "the certificates; of a set that moves it is the share without obstacles.",
    "safeguard": "What is done to an unsafe action. `none` is the unguarded baseline.",
    "learner": "What learns: through the gradient of safeguard and physics, or from rewards only.",
}
PAGE: dict[Kind, Callable[[str], str]] = {
    "task": task_page.page,
    "safeguard": plugin_pages.safeguard,
    "learner": plugin_pages.learner,
}
ROW: dict[Kind, tuple[Sequence[str], Callable[[str], Sequence[str]]]] = {
    "task": (task_page.ROW, task_page.row),
    "safeguard": (("certified", "what it does"), plugin_pages.safeguard_row),
    "learner": (("what it is",), plugin_pages.learner_row),
}
"""Of the overviews: headings after the first, and what stands below them."""


def write(folder: Path = GENERATED) -> None:
    """Write every page below a folder; remove those of plug-ins that are gone."""
    made = dict(pages())
    for path in folder.rglob("*.md"):
        if path.relative_to(folder).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:  # an unchanged page is not built again
            path.write_text(text)


def pages() -> Iterator[tuple[str, str]]:
    """Every page by its path below the folder."""
    for kind, page in PAGE.items():
        names = registry.names(kind)
        yield f"{kind}s/index.md", overview(kind, names)
        yield from ((f"{kind}s/{name}.md", page(name)) for name in names)
    yield "commands.md", command_page.page()
    yield "measured.md", measured_page.page()
    for source, page in PAGES.items():
        if page.is_relative_to(GENERATED) and source.is_file():
            yield page.name, resolved(source.read_text(), source, page)


def overview(kind: Kind, names: list[str]) -> str:
    """A table of all plug-ins of one kind, which leads to their pages."""
    heads, row = ROW[kind]
    rows = [(f"[{name}]({name}.md)", *row(name)) for name in names]
    drawn = (
        picture("safeguards-quadrotor", "Where each safeguard puts actions") if kind == "safeguard" else ""
    )
    entries = "\n".join(names)
    return (
        f"# {kind.title()}s\n\n{INTRODUCTIONS[kind]}\n\n{table((kind, *heads), rows)}\n{drawn}\n"
        f"```{{toctree}}\n:hidden:\n\n{entries}\n```\n"
    )
