"""The documentation site: `make docs` builds it into docs/_build/html. Nothing in it needs a network."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from site_pages import links, mathml, reference, write  # noqa: E402

import safebench  # noqa: E402

project = "safebench"
author = "The safebench authors"
copyright = author
version = release = safebench.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "site_pages", "**.ipynb_checkpoints"]
suppress_warnings = ["mystnb.unknown_mime_type"]  # a notebook's output that no page can show is left out

smartquotes = False  # text is commands, as often as not
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_ipywidgets_js: dict = {}
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"safebench {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp"


def setup(app):
    """Write the generated pages, resolve links out of docs/, and read docstrings as they are written here."""
    safebench.configure()
    mathml.register(app)
    app.connect("builder-inited", lambda app: write.write(Path(app.srcdir) / "generated"), priority=100)
    app.connect("source-read", _resolve_links)
    app.connect("autodoc-process-docstring", _restructure, priority=100)


def _resolve_links(app, name, source):
    path = Path(app.env.doc2path(name))
    if path.suffix == ".md" and links.GENERATED not in path.parents:
        source[0] = links.resolved(source[0], path, path)


def _restructure(app, what, name, obj, options, lines):
    lines[:] = reference.restructured(lines, labels=what != "module")
