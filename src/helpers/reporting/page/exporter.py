"""The same page by way of nbconvert, for a notebook that was executed by hand.

    jupyter nbconvert --to helpers.reporting.page.exporter.ReportExporter executed.ipynb

`make reports` calls `render.render_page` directly: importing nbconvert takes longer than rendering.
"""

import tempfile
from pathlib import Path

from nbconvert.exporters import Exporter

from helpers.reporting.page import render, site


class ReportExporter(Exporter):
    """Export an executed notebook as one of our pages, with the shared assets in a folder beside it."""

    export_from_notebook = "Report of this series"
    output_mimetype = "text/html"

    def _file_extension_default(self):
        return ".html"

    def from_notebook_node(self, nb, resources=None, **kw):
        notebook, resources = super().from_notebook_node(nb, resources, **kw)
        slug = resources.get("metadata", {}).get("name", "notebook")
        with tempfile.TemporaryDirectory() as folder:
            site.write_assets(Path(folder))
            assets = {f"assets/{path.name}": path.read_bytes() for path in Path(folder).iterdir()}
        # Keys in "outputs" are files that nbconvert writes beside the page.
        resources.setdefault("outputs", {}).update(assets)
        return render.render_page(notebook, slug=slug, previous=None, next=None, commit={}), resources
