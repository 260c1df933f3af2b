"""What a kernel's environment says: the same for everybody, whatever a person has set up for their own work.

A matplotlibrc, IPython's start-up files and configuration, keras.json and the variables by which libraries take
defaults would otherwise decide how a report looks, or what it computes.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

# Variables that begin so stay behind. Those that only say where things are, and thus what can run at all, do not.
_PERSONAL = (
    "IPYTHON",
    "JUPYTER_",
    "KERAS_",
    "MATPLOTLIBRC",
    "MPLBACKEND",
    "NPY_",
    "PANDAS_",
    "PLOTLY_",
    "PYTHON",
    "SCIPY_",
    "SEABORN_",
    "SKLEARN_",
    "TF_ENABLE_ONEDNN",
    "TF_USE_LEGACY",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
_PLACES = ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX")
_OURS = {
    "JUPYTER_PREFER_ENV_PATH": "1",  # no kernel that a person has installed under the same name
    "KERAS_BACKEND": "tensorflow",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUTF8": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def for_kernel(home: Path) -> dict[str, str]:
    """Return the environment of a kernel, from this process's own. home: an empty directory of its own."""
    kept = {name: value for name, value in os.environ.items() if name in _PLACES or not name.startswith(_PERSONAL)}
    own = {"IPYTHONDIR": str(home / "ipython"), "KERAS_HOME": str(home / "keras")}
    return kept | _OURS | plain_matplotlib() | own


def plain_matplotlib() -> Mapping[str, str]:
    """Return the variable by which matplotlib takes its own defaults instead of the person's; for this process, too."""
    found = importlib.util.find_spec("matplotlib")  # importing it takes longer than a notebook of three lines
    return {"MATPLOTLIBRC": str(Path(found.origin).parent / "mpl-data" / "matplotlibrc")} if found else {}
