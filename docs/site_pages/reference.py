"""Docstrings of the Python API as reStructuredText, which autodoc and napoleon read."""

import re

LABEL = re.compile(r"^([\w*]+(?:, [\w*]+)*): ")


def restructured(lines: list[str], labels: bool = True) -> list[str]:
    """A docstring of this project: paragraphs, "name: meaning" lines, `code`, examples, a section Raises.

    labels: whether it has "name: meaning" lines; that of a module has none.
    """
    blocks = re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))
    return [line for block in blocks for line in (*_block(block, labels), "")]


def _block(block: str, labels: bool) -> list[str]:
    rows = block.split("\n")
    if block.lstrip().startswith(">>>"):
        return rows
    if block.startswith("    "):
        return ["::", "", *rows]
    if rows[0] == "Raises:":
        return [rows[0], *_raised(" ".join(row.strip() for row in rows[1:]))]
    entries: list[str] = []
    for row in rows:
        if entries and (row.startswith("    ") or not LABEL.match(row)):
            entries[-1] += " " + row.strip()
        else:
            entries.append(row.strip())
    if not (labels and any(LABEL.match(entry) for entry in entries)):
        return [escaped(entry) for entry in entries]
    return [line for entry in entries for line in (_labelled(entry), "")]


def _labelled(entry: str) -> str:
    label = LABEL.match(entry)
    return f"- **{escaped(label[1])}**: {escaped(entry[label.end() :])}" if label else escaped(entry)


def _raised(text: str) -> list[str]:
    """One line for each error of "A: ... B, C: ..."."""
    starts = list(re.finditer(r"(?:^|(?<=[.;] ))((?:[A-Z]\w+Error|OSError)(?:, \w+Error)*): ", text))
    if not starts:
        return [f"    {escaped(text)}"]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    return [
        f"    {match[1]}: {escaped(text[match.end() : end].strip())}"
        for match, end in zip(starts, ends, strict=True)
    ]


def escaped(text: str) -> str:
    """Text in which nothing but `code` means anything, and that as a literal."""
    parts = re.split(r"(`+[^`]+`+)", text)
    shown = [
        f"``{part.strip('`')}``" if i % 2 else re.sub(r"[\\*|_`]", r"\\\g<0>", part)
        for i, part in enumerate(parts)
    ]
    return "".join(shown)
