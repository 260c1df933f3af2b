"""From notebook sources to finished pages: execute, render, index; nothing here knows the science.

`python -m helpers.reporting` is the command line behind the Makefile. build brings a profile up to date through
produce, which executes what is stale (run/) and stores what it left; page/ renders one notebook, front_page/ the whole
series from results, claims and what each page says of itself; compare/ sets results beside those of a revision and
runs a notebook over lists of parameters, by the same produce; try_it/ makes the page that reads drawn digits.
"""

import sys

# nbformat imports jsonschema, which imports this package if it is there and compiles a grammar for IRIs for over a
# second at every start. Notebooks are never checked for IRIs; None makes that optional import fail at once.
sys.modules.setdefault("rfc3987_syntax", None)
