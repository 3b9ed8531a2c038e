"""The pages of the documentation, taken apart: their blocks of code, and the commands in them.

CONTRIBUTING.md says to authors how they write them ("Documentation"). An indented block holds commands alone.
"""

import doctest
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
COMMANDS = ("bash", "console", "sh")
PROGRAMS = ("python",)
CHECKED = {
    "json": json.loads,
    "toml": tomllib.loads,
    "xml": lambda text: ElementTree.fromstring(f"<page>{text}</page>"),
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}
"""Languages that are read, but not run."""
FREE = ("text", "mermaid", "bibtex")
"""Languages that say nothing which could be wrong; `text` must not hold commands or Python."""
CODE = r"^(\$ |safebench \w|make \w|>>> |import \w|from \w+ import)"
LIBRARIES = {
    "gymnasium": "gymnasium",
    "playground": "mujoco_playground",
    "ray": "ray",
    "skrl": "skrl",
    "stable-baselines3": "stable_baselines3",
    "tensorboard": "tensorboardX",
    "torch": "torch",
    "torchrl": "torchrl",
    "wandb": "wandb",
}
"""What a block may need, and the module that shows whether it is there."""
COMMAND = re.compile(r"(safebench|make|python) +\S").match
"""Whether a line without a fence is a command."""
INDENTED = "indented"
PAGES = ("README.md", "CONTRIBUTING.md", "SUBMITTING.md", "results", "docs")


class Block(NamedTuple):
    """A block of a page.

    language: "indented" for none. line: the number of its first line, from 1. needs: a library; file: where
    the reader keeps it; empty for none.
    """

    language: str
    text: str
    line: int
    needs: str
    file: str


class Command(NamedTuple):
    """A command of a page, as it is typed; whole: it stands in a block, not in a sentence."""

    text: str
    line: int
    needs: str
    whole: bool = True


def pages(root: Path = ROOT) -> list[Path]:
    """The Markdown files that the tests read: what git knows or would add, nothing that is built."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PAGES]
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return [root / name for name in sorted(set(names)) if name.endswith(".md") and (root / name).exists()]


def blocks(text: str) -> list[Block]:
    """All blocks of code of a page, top to bottom."""
    found, marks = [], {"needs": "", "file": ""}
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "html_block":
            marks |= dict(re.findall(r"<!--\s*(needs|file):\s*(\S*)\s*-->", token.content))
            continue
        if token.type in ("fence", "code_block"):
            language = _language(token.info) if token.type == "fence" else INDENTED
            first = token.map[0] + (2 if token.type == "fence" else 1)
            found.append(Block(language, token.content, first, **marks))
        if token.content:
            marks = {"needs": "", "file": ""}
    return found


def _language(info: str) -> str:
    """Of a fence, MyST's `{code-block} python` alike."""
    words = [*info.split(), ""]
    return words[1] if words[0] == "{code-block}" else words[0]


def commands(text: str) -> list[Command]:
    """All commands of a page: those of its blocks, and `safebench ...` and `make ...` in its sentences."""
    found = []
    for block in blocks(text):
        if block.language in (*COMMANDS, INDENTED):
            found += [Command(typed, line, block.needs) for typed, line in _typed(block)]
    return sorted([*found, *_in_sentences(text)], key=lambda command: command.line)


def _typed(block: Block) -> Iterator[tuple[str, int]]:
    """The lines of a block that are commands, continued lines joined."""
    lines = block.text.splitlines()
    prompted = any(line.startswith("$ ") for line in lines)
    kept, begun = "", 0
    for number, line in enumerate(lines, block.line):
        if not kept:
            if prompted and not line.startswith("$ "):
                continue
            if block.language == INDENTED and not COMMAND(line):
                continue
            line, begun = line.removeprefix("$ "), number
        kept += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        if kept.strip() and not kept.lstrip().startswith("#"):
            yield kept.strip(), begun
        kept = ""


def _in_sentences(text: str) -> Iterator[Command]:
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or ():
            if child.type == "code_inline" and COMMAND(child.content):
                yield Command(child.content, token.map[0] + 1 if token.map else 0, "", whole=False)


def faults(text: str) -> list[str]:
    """What is wrong with the blocks of a page before anything is run, one line each."""
    return [f"line {block.line}: {fault}" for block in blocks(text) for fault in _faults(block)]


def _faults(block: Block) -> Iterator[str]:
    if block.needs and block.needs not in LIBRARIES:
        yield f"needs {block.needs!r}: expected one of {', '.join(LIBRARIES)}"
    if block.language == INDENTED:
        strange = [line for line in block.text.splitlines() if line and not COMMAND(line)]
        if strange:
            yield f"an indented block of something else than commands ({strange[0]!r}): use a fence"
    elif block.language in PROGRAMS:
        shown = doctest.DocTestParser().get_examples(block.text)
        try:
            for source in [example.source for example in shown] or [block.text]:
                compile(source, "block", "exec")
        except SyntaxError as error:
            yield f"no Python: {error}"
    elif block.language in CHECKED:
        try:
            CHECKED[block.language](block.text)
        except Exception as error:  # each reader has errors of its own
            yield f"no {block.language}: {error}"
    elif block.language == "text":
        runs = re.search(
            r"^(\$ |safebench \w|make \w|>>> |import \w|from \w+ import)", block.text, flags=re.M
        )
        if runs:
            yield f"a text block that could be run: {runs.group(0)!r}"
    elif block.language not in (*COMMANDS, *FREE) and not block.language.startswith("{"):
        known = ", ".join((*PROGRAMS, *COMMANDS, *CHECKED, *FREE))
        yield f"a fence of {block.language or 'no language'!r}: expected one of {known}"
