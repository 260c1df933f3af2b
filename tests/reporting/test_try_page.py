"""try.html: made whole or not at all, from the shipped network, and not again until something changes."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from helpers.data import load
from helpers.predict import pipeline
from helpers.reporting.try_it import model as try_model
from helpers.reporting.try_it import page as try_page
from helpers.runtime import paths

MODEL = paths.REPORTS / "model"
BUDGET = 2_000_000  # bytes: the page with its scripts and style sheet


@pytest.fixture
def model(tmp_path):
    """A copy of the shipped network, to spoil."""
    return shutil.copytree(MODEL, tmp_path / "model")


@pytest.fixture
def said():
    return []


def refresh(tmp_path, model, said) -> bool:
    return try_page.refresh(tmp_path / "pages", say=said.append, model=model)


def rewritten(model, change) -> None:
    """Change the network's config.json and make the card fit the new file."""
    path = model / "digits.keras"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config["config"]["layers"])
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    card = json.loads((model / "digits.json").read_text(encoding="utf-8"))
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (model / "digits.json").write_text(json.dumps(card), encoding="utf-8")


def test_the_page_is_whole_small_enough_and_the_same_each_time(tmp_path):
    pages = [tmp_path / name for name in ("one", "two")]
    for place in pages:
        assert try_page.write(place, MODEL)
    page, files = pages[0] / try_page.PAGE, sorted((pages[0] / "assets" / "try").iterdir())
    assert try_page.is_made_from(page, try_page.digest_of_sources(MODEL))
    assert {file.name for file in files} == {"try.css", *try_page.SCRIPTS}
    assert sum(file.stat().st_size for file in [page, *files]) < BUDGET
    for file in files:
        assert file.read_bytes() == (try_page.SOURCES / file.name).read_bytes()
    assert page.read_bytes() == (pages[1] / try_page.PAGE).read_bytes()
    text = page.read_text(encoding="utf-8")
    assert [text.count(f'src="assets/try/{name}"') for name in try_page.SCRIPTS] == [1] * len(try_page.SCRIPTS)
    carried = json.loads(re.search(r'<script[^>]* id="model"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    weights = np.frombuffer(base64.b64decode(carried["network"]["weights"]), "<f4")
    assert np.array_equal(weights, try_model.export(MODEL).weights)
    assert len(carried["known"]["labels"]) == 400
    labels = load.load_mnist().test.labels
    shown = {int(one["from"].split()[-1]): one["label"] for one in carried["examples"] if "MNIST" in one["from"]}
    assert len(shown) >= 10
    assert all(labels[row] == label for row, label in shown.items())


def test_the_committed_page_is_as_it_was_made():
    """From whichever sources: `make reports` makes it again from the present ones, on whatever processor."""
    page = paths.REPORTS / try_page.PAGE
    sources = re.search(r'<meta name="made-from" content="([0-9a-f]+) ', page.read_text(encoding="utf-8"))[1]
    assert try_page.is_made_from(page, sources)
    scripts = {path.name for path in (paths.REPORTS / "assets" / "try").iterdir()}
    named = re.findall(r'src="assets/try/([^"]+)"', page.read_text(encoding="utf-8"))
    assert named
    assert {"try.css", *named} == scripts


def test_other_sources_are_noticed(tmp_path, monkeypatch):
    assert try_page.write(tmp_path, MODEL)
    page = tmp_path / try_page.PAGE
    copy = shutil.copytree(paths.ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(try_page, "SOURCES", copy / "helpers" / "reporting" / "try_it")
    assert try_page.is_made_from(page, try_page.digest_of_sources(MODEL)), "a copy is the same"
    for name in (
        "data/pictures/levels.py",
        "data/pictures/decoding.py",
        "predict/pipeline.py",
        "reporting/try_it/model.py",
        "reporting/try_it/try.html.j2",
    ):
        source = copy / "helpers" / name
        before = source.read_text(encoding="utf-8")
        source.write_text(before + "\n# edited\n", encoding="utf-8")
        assert not try_page.is_made_from(page, try_page.digest_of_sources(MODEL)), name
        source.write_text(before, encoding="utf-8")


def test_it_is_made_once_and_again_only_when_something_changed(tmp_path, model, said):
    page, script = tmp_path / "pages" / "try.html", tmp_path / "pages" / "assets" / "try" / "network.js"
    assert refresh(tmp_path, model, said)
    made, text = page.stat().st_mtime_ns, page.read_bytes()
    assert refresh(tmp_path, model, said)
    assert page.stat().st_mtime_ns == made
    assert len(said) == 1
    script.write_text("tampered")
    assert refresh(tmp_path, model, said)
    assert script.read_bytes() == (try_page.SOURCES / "network.js").read_bytes()
    assert page.stat().st_mtime_ns == made
    page.write_bytes(text.replace(b"Try it yourself", b"Try it yourselves"))
    assert refresh(tmp_path, model, said)
    assert page.read_bytes() == text
    card = json.loads((model / "digits.json").read_text(encoding="utf-8"))
    (model / "digits.json").write_text(json.dumps(card | {"threshold": 0.5}), encoding="utf-8")
    assert refresh(tmp_path, model, said)
    assert "stands at 50.0%" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda model: (model / "digits.keras").unlink(), "there is no .*digits.keras"),
        (lambda model: (model / "digits.json").unlink(), "there is no .*digits.json"),
        (lambda model: (model / "digits.json").write_text("{"), "digits.json is damaged"),
        (lambda model: (model / "digits.keras").write_bytes(b"PK"), "not the file that digits.json describes"),
        (
            lambda model: rewritten(model, lambda layers: layers[2].update(class_name="AveragePooling2D")),
            "is of kind AveragePooling2D; known are",
        ),
        (
            lambda model: rewritten(model, lambda layers: layers[1]["config"].update(strides=[2, 2])),
            r"strides = \[2, 2\], expected \[1, 1\]",
        ),
        (lambda model: rewritten(model, lambda layers: layers.pop(3)), "only a chain can be exported"),
    ],
    ids=["no weights", "no card", "damaged card", "other weights", "unknown layer", "unknown setting", "no chain"],
)
def test_what_cannot_be_made_is_said_and_leaves_the_page_alone(tmp_path, model, said, spoil, words):
    page = tmp_path / "pages" / "try.html"
    page.parent.mkdir()
    page.write_text("the last good one")
    spoil(model)
    assert not refresh(tmp_path, model, said)
    assert re.search(words, said[0]), said
    assert page.read_text() == "the last good one"
    assert [path.name for path in page.parent.iterdir()] == ["try.html"]


def test_a_project_without_a_network_has_no_page_and_one_that_lost_it_says_so(tmp_path, said):
    assert refresh(tmp_path, tmp_path / "nowhere", said)
    assert not (tmp_path / "pages").exists()
    assert not said
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "try.html").write_text("made when there was one")
    assert not refresh(tmp_path, tmp_path / "nowhere", said)
    assert "there is no" in said[0]


def test_the_export_holds_every_weight_of_the_network():
    exported = try_model.export(MODEL)
    normalised = sum(step["channels"] for step in exported.steps if step["kind"] == "scale")
    assert len(exported.weights) == exported.card["parameters"] - 2 * normalised  # of four numbers two are left
    assert [step["kind"] for step in exported.steps][:4] == ["convolve", "pool", "scale", "relu"]


def test_it_is_made_without_tensorflow():
    code = (
        "import sys; from helpers.runtime import paths; from helpers.reporting.try_it import page as try_page;"
        "try_page.is_made_from(paths.REPORTS / 'try.html', try_page.digest_of_sources(paths.REPORTS / 'model'));"
        "assert not {'h5py', 'scipy', 'sklearn'} & set(sys.modules), 'a look costs no imports';"
        "try_page.render(paths.REPORTS / 'model'); assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_in_it_reaches_for_a_network_or_runs_text():
    forbidden = re.compile(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\beval\(|new Function|\bimport\b|https?://")
    for path in (try_page.SOURCES / name for name in ("try.html.j2", "try.css", *try_page.SCRIPTS)):
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.name}: {found[0]}"


def test_a_page_for_somebodys_own_network_is_about_theirs_and_leads_nowhere_else(tmp_path, model, capsys):
    told = {"n": 200, "right": 199, "accuracy": 0.995, "low": 0.972, "high": 0.999, "sent_to_human": 20}
    told["wrong_among_accepted"] = 0
    card = json.loads((model / "digits.json").read_text(encoding="utf-8"))
    pixels = base64.b64encode(bytes(784)).decode()
    card |= {
        "digits": [3, 7],
        "own": {"name": "forms & <b>", "checksum": 64 * "a", "train": 300, "test": 200, "notes": ["A note."]},
        "measured_once_at_the_end": {"forms & <b>": told},
        "compared": {"shipped": told, "only_own": 9, "only_shipped": 1, "p_value": 0.02},
        "promised": "nobody can promise more",
        "examples": [{"from": "test 5", "label": 3, "side": 28, "top": 255, "pixels": pixels}],
    }
    (model / "digits.json").write_text(json.dumps(card), encoding="utf-8")
    assert try_page.main([str(model)]) == 0
    assert "made" in capsys.readouterr().out
    text = (model.parent / "try.html").read_text(encoding="utf-8")
    assert "The network made for forms &amp; &lt;b&gt; reads it here" in text
    assert "9 are read by this network alone, 1 by that one alone: more than chance" in text
    assert [link for link in re.findall(r'href="([^"#]+)', text) if link.endswith(".html")] == []
    carried = json.loads(re.search(r'<script[^>]* id="model"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    assert carried["network"]["digits"] == [3, 7]
    assert carried["examples"] == card["examples"]
    assert f'"{pipeline.UNKNOWN}"' in (try_page.SOURCES / "page.js").read_text(encoding="utf-8")
    assert try_page.main([str(tmp_path / "nowhere")]) == 2
