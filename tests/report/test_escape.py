"""Foreign text is shown as it is, and read as nothing else."""

import pytest

from safebench.report import escape

NASTY = (
    "[/red]",
    "a\nb",
    "\x1b[2J",
    "\ud800",
    "\u202eabc",
    "=1+1",
    "@x",
    "\t=x",
    "<script>",
    "$x$",
    "\\",
    "a\0b",
)


@pytest.mark.parametrize("text", NASTY)
def test_everything_is_one_printable_line(text):
    for how in (escape.printable, escape.markdown, escape.latex, escape.csv):
        shown = how(text)
        assert shown.isprintable()
        shown.encode()


def test_plain_names_and_paths_stay_as_they_are():
    for text in ("ray-mask+regularised", "results/my_task/none--shac.json", "0.5", "-3", "+1e-5", "1,000"):
        assert escape.printable(text) == escape.markdown(text) == escape.csv(text) == text


def test_formulas_and_markup_are_defused():
    assert escape.csv("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert escape.csv(" =1") == "' =1"
    assert escape.markdown("_x_ a_b <b>*|") == r"\_x\_ a_b \<b\>\*\|"
    assert escape.latex(r"50 % {\x}") == r"50 \% \{\textbackslash{}x\}"
    assert escape.latex("\N{GREEK SMALL LETTER ALPHA}") == "?"
