"""Figures of readers in service: what damage does to each."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from helpers.figures.matrices import surface


def damage_table(shares: pd.DataFrame, *, worst: float = 0.5) -> go.Figure:
    """Draw shares wrong, in percent, as coloured cells: a row for each kind of damage, a column for each reader.

    shares: (kinds, readers), the first row on top, NaN for an empty cell. Colours end at the share `worst`.
    """
    upright = shares.iloc[::-1]
    values = upright.to_numpy(float)
    fig = surface(np.nan_to_num(values), list(upright.columns), list(upright.index), x_title="", y_title="", floor=0.0)
    # Whole percents from ten on: on a phone there is room for two digits a cell.
    words = [["" if np.isnan(v) else f"{100 * v:.{0 if v >= 0.0995 else 1}f}" for v in row] for row in values]
    fig.data[0].update(text=words, textfont_size=12, zmin=0, zmax=worst, z=values)
    # They lean over the labels of the rows: at the right nothing is free, and plotly hides what would be cut off.
    fig.update_xaxes(side="top", tickangle=30)
    return fig.update_layout(height=130 + 30 * len(shares))
