"""How Sphinx builds the documentation: `make docs`."""

import re

from sphinx.application import Sphinx

import perftrace

project = "perftrace"
copyright = "the perftrace authors"  # noqa: A001  # Sphinx asks for it by this name
release = version = perftrace.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "examples"]
html_theme = "furo"
html_title = "perftrace"
myst_heading_anchors = 3
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
nitpicky = False

_PARAMETER = re.compile(r"([a-z_]+(?:, [a-z_]+)*): ")


def _as_fields(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make a list of what docstrings write as `name: what it is`, one to a line, on until the next empty line."""
    is_list = False
    for number, line in enumerate(lines):
        parameter = _PARAMETER.match(line)
        if parameter and (is_list or not number or not lines[number - 1]):
            lines[number] = f"* ``{parameter[1]}``: {line[parameter.end() :]}"
            is_list = True
        elif not line:
            is_list = False
        elif is_list:
            lines[number] = f"  {line.strip()}"


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", _as_fields)
