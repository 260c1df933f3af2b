"""Charts for nbconvert's own pages, which know no plotly: jupyter_nbconvert_config.json names the class below."""

from nbconvert.preprocessors import Preprocessor

from helpers.reporting.page.plotly import MIME

# A page of nbconvert may have loaded require.js, which would take plotly's script for a module of its own.
_HIDE, _SHOW = "window.heldDefine = window.define; window.define = undefined;", "window.define = window.heldDefine;"


class PlotlyAsHtml(Preprocessor):
    """Give every chart a form in HTML; the first brings plotly's script."""

    def preprocess(self, nb, resources):
        """Return the notebook with charts as HTML besides what they are."""
        import plotly.io  # seconds, which only this needs

        first = True
        for cell in nb.cells:
            for output in cell.get("outputs", []):
                figure = (output.get("data") or {}).get(MIME)
                if not figure or "text/html" in output.data:
                    continue
                shown = {key: value for key, value in figure.items() if key in ("data", "layout", "frames")}
                made = plotly.io.to_html(shown, include_plotlyjs=first, full_html=False, validate=False)
                output.data["text/html"] = f"<script>{_HIDE}</script>{made}<script>{_SHOW}</script>" if first else made
                first = False
        return nb, resources
