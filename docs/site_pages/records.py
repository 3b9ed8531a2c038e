"""What is committed: results, recorded attacks and measured times, read without jax."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safebench.record import files
from safebench.record.result import Result
from safebench.report import summary
from site_pages.links import DOCS, ROOT
from site_pages.text import table


@functools.cache
def results() -> tuple[files.Found, ...]:
    """Every committed result with its path."""
    found, unread = files.find(ROOT / "results")
    if unread:
        raise ValueError(f"{unread[0].path}: {unread[0].reason}")
    return tuple(found)


def results_of(kind: str, name: str) -> dict[str, list[Result]]:
    """By folder below the root: committed results of a task, safeguard or learner."""
    by_folder: dict[str, list[Result]] = {}
    for path, result in results():
        names = {
            "task": result.task.name,
            "safeguard": result.safeguard.module,
            "learner": result.learner.name,
        }
        if names[kind] == name:
            folder = path.relative_to(ROOT).parts[:2]
            by_folder.setdefault("/".join(folder), []).append(result)
    return by_folder


def result_tables(kind: str, name: str) -> str:
    """The committed results as tables, a suite after the other."""
    by_folder = results_of(kind, name)
    if not by_folder:
        return "None is committed yet.\n"
    return "\n".join(f"### `{folder}`\n\n{summary.markdown(found)}" for folder, found in by_folder.items())


@functools.cache
def attacks() -> tuple[tuple[Path, dict[str, Any]], ...]:
    """The recorded attacks, file by file."""
    paths = sorted((DOCS / "records").glob("attack*.json"))
    return tuple((path, json.loads(path.read_text())) for path in paths)


def attack_tables(task: str, digests: frozenset[str]) -> str:
    """What attacks on a task's safe set found. digests: of its certificate and those it supersedes."""
    texts = []
    for path, record in attacks():
        rows = [_attack(row, digests) for row in record["records"] if row["task"] == task]
        if not rows:
            continue
        source = record["provenance"]
        heads = ("attacked", "physics", "steps", "outside", "infeasible", "last line", "not finite", "first")
        texts.append(
            f"`docs/records/{path.name}`, {source['utc'][:10]}, {source['device']}. A control is attacked to "
            "show that the attack finds what is there: it must succeed, and the others must not. First: "
            f"within how many steps the first counterexample came.\n\n{table(heads, rows)}"
        )
    return "\n".join(texts) or "None is recorded yet.\n"


def _attack(row: dict[str, Any], digests: frozenset[str]) -> Sequence[str]:
    stale = "" if row["control"] or row["certificate"] in digests else ", an earlier certificate"
    counts = (f"{row[name]:,}" for name in ("steps", "outside", "infeasible", "last_line", "non_finite"))
    name = f"{row['target']}{' (control)' if row['control'] else ''}{stale}"
    return (name, row["physics"], *counts, "-" if row["first"] is None else f"{row['first']:,}")


BATCH = 512
"""Of the times that pages show of safeguards; the record has others."""


def measured(name: str) -> dict[str, Any]:
    """A record of measured times, `docs/records/bench-NAME.json`."""
    return json.loads((DOCS / "records" / f"bench-{name}.json").read_text())
