"""A notebook's code as plain Python: IPython's additions resolved by IPython, and what is wrong named by its cell."""

import ast
import functools

import nbformat

_RUNS = ("run_line_magic", "run_cell_magic")


def of_notebook(notebook: nbformat.NotebookNode) -> str:
    """Return all code of a notebook as Python that can be parsed.

    Raises ValueError, "cell 4, line 2: '(' was never closed", where it cannot; cells are counted as JupyterLab does.
    """
    parts = []
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        try:
            parts.append(of_cell(cell.source))
        except SyntaxError as error:
            raise ValueError(f"cell {number}, line {error.lineno or 1}: {error.msg}") from None
    return "\n".join(parts)


@functools.cache
def of_cell(source: str) -> str:
    """Return a cell's code as Python that can be parsed: magics, shell commands and questions become calls.

    What a magic is given counts too where it is Python, as with %%time. Raises SyntaxError, and nothing else.
    """
    try:
        ast.parse(source)
        return source
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    from IPython.core.inputtransformer2 import TransformerManager  # most notebooks do without

    skipped = source[: len(source) - len(source.lstrip())].count(
        "\n"
    )  # IPython leaves off empty lines before the first
    try:
        plain = TransformerManager().transform_cell(source)
        tree = ast.parse(plain)
    except SyntaxError as error:
        error.lineno = (error.lineno or 1) + skipped
        raise
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, a hundred thousand brackets
        raise SyntaxError(str(error) or "too deeply nested") from None
    return "\n".join([plain, *_given_to_magics(tree)])


def _given_to_magics(tree: ast.Module) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    given = [argument for call in calls if call.func.attr in _RUNS for argument in call.args[1:]]
    found = []
    for text in (one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)):
        try:
            found.append(of_cell(text))
        except SyntaxError:  # the options of a magic, or another language
            continue
    return found
