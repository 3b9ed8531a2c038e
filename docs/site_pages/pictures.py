"""Pictures of docs/figures, with the words that a page or the README has for them."""

import functools
import re
from pathlib import Path

from site_pages.links import DOCS, ROOT


def picture(name: str, otherwise: str, up: str = "../../") -> str:
    """Markdown of `docs/figures/NAME.png` (or .gif); "" if there is none.

    otherwise: what it shows, if no page says so. up: the way from the page to `docs/`.
    """
    for suffix in (".png", ".gif"):
        file = f"{name}{suffix}"
        if (DOCS / "figures" / file).is_file():
            return f"![{_words().get(file, otherwise)}]({up}figures/{file})\n"
    return ""


@functools.cache
def _words() -> dict[str, str]:
    """Of every picture, what the first page that shows it says it is."""
    found: dict[str, str] = {}
    for page in (*sorted(DOCS.glob("*.md")), ROOT / "README.md"):
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text()):
            found.setdefault(Path(target).name, words)
    return found
