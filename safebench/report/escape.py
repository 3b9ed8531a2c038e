"""Text of a stranger's file where it would be read as something else: terminals, markdown, LaTeX, CSV."""

import re

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: "\\" + character for character in "&%$#_{}"},
}
FORMULA = ("=", "+", "-", "@")
"""A spreadsheet calculates what begins with one of these."""
NUMBER = re.compile(r"[+-]?(\d[\d,]*)?\.?\d*([eE][+-]?\d+)?")


def printable(text: str) -> str:
    """One line without control characters: those, and what no encoding has, become spaces or escapes."""
    spaced = re.sub(r"\s", " ", text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in spaced)


def markdown(text: str) -> str:
    """Text with nothing that markdown or HTML would interpret."""
    escaped = re.sub(r"[\\`*\[\]<>|&~$]", r"\\\g<0>", printable(text))
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", escaped)  # inside a word it means itself


def latex(text: str) -> str:
    """Text as LaTeX sets it; a character that its fonts may lack becomes a question mark."""
    return "".join(
        LATEX.get(character, character if ord(character) < 0x100 else "?") for character in printable(text)
    )


def csv(text: str) -> str:
    """Text that no spreadsheet takes for a formula: one that looks like it gets an apostrophe in front."""
    shown = printable(text)
    if shown.lstrip().startswith(FORMULA) and not NUMBER.fullmatch(shown):
        return "'" + shown
    return shown
