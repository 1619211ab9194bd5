"""The docs site: ``make docs`` builds it into ``site/`` with Sphinx, from the Markdown pages beside this file."""

project = "presslake"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "presslake"
# No page asks anybody else for anything.
html_theme_options = {"light_css_variables": {"font-stack": "system-ui, sans-serif"}}
myst_heading_anchors = 3
exclude_patterns = ["images"]
# DuckDB's dialect has more than the highlighter knows.
suppress_warnings = ["misc.highlighting_failure"]
