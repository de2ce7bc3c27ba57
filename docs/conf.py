"""Settings of the manual: Markdown pages, read by MyST, built by Sphinx (`make docs`).

The site loads nothing from a network: the theme uses the reader's own fonts, and the search index is a file
of the site. `directives.py`, beside this file, adds the API reference and the output of commands.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "absint"
author = "the absint authors"
copyright = author
html_title = "absint"
html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "directives"]
exclude_patterns = ["_build"]
nitpick_ignore_regex = [("py:.*", ".*")]  # the standard library's names lead nowhere without a network

myst_heading_anchors = 4
myst_links_external_new_tab = False

default_role = "code"  # docstrings mark code by single backticks
autodoc_docstring_signature = True
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("Model", "Vector")}
maximum_signature_line_length = 96
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"
