"""From notebook sources to finished pages: execute, render, index; nothing here knows the science.

execute runs a notebook through papermill, strictly; freshness decides which notebooks need it; render turns an
executed notebook into one offline page; site writes the index and the shared assets. `python -m
helpers.reporting` is the command line behind the Makefile. compare sets the results beside those of a revision;
study_run runs a notebook over lists of parameters. Only papermill, the page libraries, `helpers.runtime.paths` and
`helpers.results` are imported here, and for the pages of comparisons and studies data and figures.
"""

import sys

# nbformat imports jsonschema, which imports this package if it is there and compiles a grammar for IRIs for over a
# second at every start. Notebooks are never checked for IRIs; None makes that optional import fail at once.
sys.modules.setdefault("rfc3987_syntax", None)
