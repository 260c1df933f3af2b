"""What computes decides the key: every numeric module of a scratch copy is edited, and whoever uses it gets a new key.

Who uses it is asked of Python itself: what is loaded by the end of importing what a key is about. A new module of these
rooms is edited here by itself.
"""

import ast
import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.models import architectures
from helpers.runtime import sources
from helpers.training import specs

PACKAGE = sources.PACKAGE
ROOMS = ("models", "training", "classical", "evaluation")
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for room in ROOMS
    for path in (PACKAGE / room).rglob("*.py")
    if path.stem not in ("__init__", "__main__")
)
NETWORKS = ("models.architectures", "models.residual_blocks")  # of these a training depends on its own network only


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("scratch") / "helpers"
    shutil.copytree(
        PACKAGE, root, ignore=lambda _, names: [name for name in names if "." in name[1:] and name[-3:] != ".py"]
    )
    return root


@pytest.fixture
def scratch(copy, monkeypatch):
    """A copy of the package that the digests are taken of, mended at the end."""
    monkeypatch.setattr(sources, "PACKAGE", copy)
    yield copy
    for name in MODULES:
        of(copy, name).write_bytes(of(PACKAGE, name).read_bytes())


def of(package: Path, name: str) -> Path:
    return package.joinpath(*name.split(".")).with_suffix(".py")


def keys() -> dict[str, str]:
    """Return the digest of every numeric module, taken as what computes, and of every network's training."""
    specs._source.cache_clear()
    found = {name: sources.digest_of([f"helpers.{name}"]) for name in MODULES}
    found |= {f"a training of {model}": specs._source(model) for model in architectures.ARCHITECTURES}
    specs._source.cache_clear()
    return found


def changed(before: dict[str, str]) -> set[str]:
    now = keys()
    return {name for name in before if before[name] != now[name]}


@functools.cache
def loads() -> dict[str, set[str]]:
    """Return for every numeric module which of them are loaded once Python has imported it, each in its own process."""
    code = """\
import importlib, json, os, sys
import keras, pandas, sklearn, scipy.stats
for name in sys.argv[1:]:
    if os.fork() == 0:
        importlib.import_module(f"helpers.{name}")
        print(json.dumps([name, [loaded[8:] for loaded in sys.modules if loaded.startswith("helpers.")]]), flush=True)
        os._exit(0)
    os.wait()
"""
    done = subprocess.run([sys.executable, "-c", code, *MODULES], capture_output=True, text=True, timeout=300)
    found = {name: set(loaded) for name, loaded in map(json.loads, done.stdout.splitlines())}
    assert sorted(found) == MODULES, done.stderr
    return found


class Edit(ast.NodeTransformer):
    """Turn the first sign, raise the first number, or lose the first value that is returned."""

    def __init__(self, kind: str):
        self.kind, self.done = kind, False

    def visit(self, node):
        if self.done:
            return node
        match self.kind, node:
            case "sign", ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                self.done, node.op = True, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            case "number", ast.Constant(value=int() | float()):
                self.done, node.value = True, node.value + 1
            case "return", ast.Return(value=ast.AST()):
                self.done, node.value = True, ast.Constant(None)
        return self.generic_visit(node)


def edits(path: Path):
    """Yield the texts of a module edited in one place."""
    for kind in ("sign", "number", "return"):
        edit = Edit(kind)
        text = ast.unparse(edit.visit(ast.parse(path.read_text(encoding="utf-8"))))
        if edit.done:
            yield text


@pytest.mark.parametrize("name", MODULES)
def test_an_edit_changes_the_key_of_everything_that_uses_the_module(scratch, name):
    before, path = keys(), of(scratch, name)
    expected = {user for user, loaded in loads().items() if name in loaded}
    trained = {f"a training of {model}" for model in architectures.ARCHITECTURES}
    if name not in NETWORKS and name in loads()["training.fit"]:
        expected |= trained
    texts = list(edits(path))
    assert texts, "nothing to edit in it"
    for text in texts:
        path.write_text(text, encoding="utf-8")
        found = changed(before)
        assert found >= expected
        if name.split(".")[0] in ("classical", "evaluation"):
            assert not found & trained, "a training does not depend on it"


def test_comments_docstrings_and_layout_change_nothing(scratch):
    before = keys()
    for name in MODULES:
        path = of(scratch, name)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body[0].value = ast.Constant("Other words.")
        path.write_text("# a comment\n\n" + ast.unparse(tree).replace("\n\n", "\n"), encoding="utf-8")
    assert changed(before) == set()


@pytest.mark.parametrize(
    ("module", "old", "new", "trainings"),
    [
        ("models.schedules", "end: float = 0.0", "end: float = 0.5", None),
        ("models.augmentation", "np.sin(angle)", "-np.sin(angle)", None),
        ("models.architectures", "((32, 5), (64, 3))", "((8, 5), (8, 3))", {"recog"}),
        (
            "models.architectures",
            "small = keras.initializers.VarianceScaling(1 / 3",
            "small = keras.initializers.VarianceScaling(1 / 4",
            {"fast_b", "fast_e", "fast_small", "fast_se"},
        ),
        ("models.architectures", "seed * 1000 + position", "seed * 1001 + position", None),
        ("models.residual_blocks", "SD = 0.1307, 0.3081", "SD = 0.1307, 0.3082", {"resnet8", "resnet34"}),
        ("models.architectures", "def linear(x):", "def another(x):\n    return x\n\n\ndef linear(x):", set()),
    ],
)
def test_a_network_depends_on_its_own_layers_and_on_all_that_trains(scratch, module, old, new, trainings):
    before, path = keys(), of(scratch, module)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    trainings = architectures.ARCHITECTURES if trainings is None else trainings
    assert {name for name in changed(before) if " " in name} == {f"a training of {model}" for model in trainings}


def test_parts_of_several_modules_are_taken_at_once(scratch):
    chosen = (("helpers.models.schedules", "cosine"), ("helpers.models.architectures", "linear"))
    parts = [sources.Part(module, frozenset({name})) for module, name in chosen]

    def found():
        return sources.digest_of([module for module, _ in chosen], part=parts)

    before = found()
    for module, others, mine in (
        ("models.schedules", "end: float = 0.0", "np.cos("),
        ("models.architectures", "seed * 1000 + position", "return layers.Flatten()(x)\n\n\ndef mlp"),
    ):
        path = of(scratch, module)
        text = path.read_text(encoding="utf-8")
        assert others in text
        assert mine in text
        path.write_text(text.replace(others, others.replace("0", "1")), encoding="utf-8")
        assert found() == before
        path.write_text(
            text.replace(mine, mine.replace("np.cos", "np.sin").replace("(x)", "(x + 1)")), encoding="utf-8"
        )
        assert found() != before
        path.write_text(text, encoding="utf-8")


def test_what_only_carries_numbers_changes_no_key(scratch):
    before = keys()
    for name in sources.CARRIERS:
        path = scratch / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\nmore = 1\n", encoding="utf-8")
    try:
        assert changed(before) == set()
    finally:
        for name in sources.CARRIERS:
            (scratch / name).write_bytes((PACKAGE / name).read_bytes())


def test_a_module_or_a_name_there_is_not_is_refused():
    with pytest.raises(ValueError, match=r"modules: got 'helpers\.nowhere'; the full name of a helper"):
        sources.digest_of(["helpers.nowhere"])
    part = sources.Part("helpers.models.architectures", frozenset({"build", "nothing"}))
    with pytest.raises(ValueError, match=r"names: got nothing; what helpers\.models\.architectures binds is allowed"):
        sources.digest_of(["helpers.models.architectures"], part=part)
