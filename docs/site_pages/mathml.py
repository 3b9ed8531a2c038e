"""Formulas as MathML, which browsers draw by themselves: no script and no network."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx


def register(app: Sphinx) -> None:
    """Let `html_math_renderer = "mathml"` mean this."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))


def _inline(translator, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _display(translator, node: nodes.math_block) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode
