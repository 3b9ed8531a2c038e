"""Relative links of a page that lead out of `docs/`: right on a forge, and made right for the site."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = DOCS / "generated"
PAGES = {
    ROOT / "README.md": GENERATED / "readme.md",
    ROOT / "CONTRIBUTING.md": GENERATED / "contributing.md",
    ROOT / "CHANGELOG.md": GENERATED / "changelog.md",
    ROOT / "SUBMITTING.md": GENERATED / "submitting.md",
    ROOT / "results" / "README.md": GENERATED / "result-format.md",
    ROOT / "results" / "paper" / "README.md": GENERATED / "results-paper.md",
    ROOT / "results" / "navigation" / "README.md": GENERATED / "results-navigation.md",
}
"""Files outside of `docs/` that are pages of the site, and where."""

LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]\[]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")


def resolved(text: str, source: Path, page: Path) -> str:
    """The markdown of `source` with its relative links as `page` needs them.

    A file that is a page becomes a link to it, another file in the repository a download, a folder its name.
    """

    def replace(match: re.Match) -> str:
        whole, words = match["target"], match["text"]
        target = (source.parent / whole).resolve()
        if match["picture"]:
            return f"![{words}]({_relative(target, page)})"
        found = PAGES.get(target, target)
        if found.is_relative_to(DOCS) and found.suffix in (".md", ".ipynb"):
            return f"[{words}]({_relative(found, page)}{match['anchor'] or ''})"
        if target.is_file():
            return f"{{download}}`{words.strip('`')} <{_relative(target, page)}>`"
        return words if target.is_dir() else match[0]

    return LINK.sub(replace, text)


def _relative(target: Path, page: Path) -> str:
    return Path(os.path.relpath(target, page.parent)).as_posix()
