"""A reader for somebody's own digits, end to end on a tiny budget: chosen, measured, written whole or not at all."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from helpers.data import load
from helpers.evaluation import metrics
from helpers.evaluation.predictor import Predictor
from helpers.predict import __main__ as predict
from helpers.predict import own, own_card, ship, shipped, train
from helpers.runtime import paths, run_store
from helpers.training import fit, recipes, specs

SMALL = {"epochs": 2, "batch_size": 64, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A network that stands in for the shipped one: a small perceptron, trained on 2,000 digits of MNIST."""
    place = tmp_path_factory.mktemp("base")
    split = load.make_split("standard", n_validation=200, n_train=2000, n_test=10)
    run = fit.run(recipes.fast("mlp", split, options={"units": (32,)}, views=1, **SMALL), store=place / "runs")
    card = {
        "weights": shipped.WEIGHTS,
        "sha256": ship.write_weights(run, place),
        "temperature": 0.5,
        "threshold": 0.9,
        "parameters": run.parameters,
        "flops": run.flops,
        "held_out": {"images": 5000, "practice": {"strokes": 2000, "scans": 2000, "others": 1000}},
        "run": {"key": run.key, "seconds": 1.0, "hardware": run.hardware, "spec": specs.identity(run.spec)},
    }
    run_store.write(place / shipped.CARD, json.dumps(card).encode())
    return place


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """500 of MNIST's test digits, 0 to 4, as a file."""
    test = load.load_mnist().test
    rows = np.flatnonzero(test.labels < 5)[:500]
    images, labels = test.images[rows], test.labels[rows]
    path = tmp_path_factory.mktemp("few") / "few.npz"
    np.savez(path, x_train=images[:300], y_train=labels[:300], x_test=images[300:], y_test=labels[300:])
    return path


@pytest.fixture(autouse=True)
def small(base, tmp_path_factory, monkeypatch):
    """Small budgets, and a place of its own for what is written; trainings are remembered between tests."""
    monkeypatch.setattr(shipped, "DIRECTORY", base)
    monkeypatch.setattr(paths, "BUILD", tmp_path_factory.mktemp("build"))
    monkeypatch.setattr(paths, "RUNS", base / "runs")
    monkeypatch.setattr(own, "LEAST_MIXED", 300)
    monkeypatch.setattr(own, "FURTHER", (300, 1, 2))
    monkeypatch.setattr(own, "AFRESH", (2000, 1, 8))


def run(source, *more, name="mine"):
    return train.main(["--source", str(source), "--name", name, *map(str, more)])


def card_of(name="mine"):
    return json.loads((train.home(name) / shipped.CARD).read_text(encoding="utf-8"))


def rows(table):
    with open(table, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_the_card_says_is_what_the_command_does_with_the_model(few, tmp_path, capsys):
    assert run(few) == 0
    said, card = capsys.readouterr().out, card_of()
    with np.load(few) as file:
        images, labels = file["x_test"], file["y_test"]
    np.save(tmp_path / "test.npy", images)
    answers = {}
    for name, model in (("own", train.home("mine")), ("shipped", shipped.DIRECTORY)):
        output = tmp_path / f"{name}.csv"
        assert predict.main([str(tmp_path / "test.npy"), "--model", str(model), "--output", str(output)]) == 0
        answers[name] = rows(output)
    told = card["measured_once_at_the_end"]["few.npz"], card["compared"]["shipped"]
    right = {}
    for (name, found), expected in zip(answers.items(), told, strict=True):
        right[name] = np.array([row["digit"] == str(label) for row, label in zip(found, labels, strict=True)])
        kept = np.array([row["send_to_human"] == "no" for row in found])
        assert expected["n"] == len(labels)
        assert expected["right"] == right[name].sum()
        assert expected["sent_to_human"] == (~kept).sum()
        assert expected["wrong_among_accepted"] == (kept & ~right[name]).sum()
        assert str(metrics.wilson(int(right[name].sum()), len(labels))) in said
    assert card["compared"]["only_own"] == (right["own"] & ~right["shipped"]).sum()
    assert card["compared"]["only_shipped"] == (right["shipped"] & ~right["own"]).sum()
    assert f"predict --model {train.home('mine')}" in said


def test_the_best_of_the_candidates_is_written_and_the_first_of_equals(few):
    assert run(few) == 0
    held = card_of()["held_out"]
    assert list(held["by_candidate"]) == [own.MIXED, own.ALONE, own.AS_IS]
    assert held["images"] == 100
    most = max(one["right"] for one in held["by_candidate"].values())
    assert held["chosen"] == next(name for name, one in held["by_candidate"].items() if one["right"] == most)


def test_the_shipped_network_itself_is_written_where_none_reads_more(few, base, monkeypatch):
    monkeypatch.setattr(own, "choose", lambda trials: trials[-1])
    assert run(few) == 0
    assert card_of()["held_out"]["chosen"] == own.AS_IS
    assert card_of()["sha256"] == json.loads((base / shipped.CARD).read_text())["sha256"]
    assert card_of()["compared"]["only_own"] == card_of()["compared"]["only_shipped"] == 0
    assert shipped.load(train.home("mine")).threshold == card_of()["threshold"]


def test_a_digit_that_it_was_not_made_for_goes_to_a_human(few, tmp_path):
    assert run(few) == 0
    assert card_of()["digits"] == [0, 1, 2, 3, 4]
    test = load.load_mnist().test
    np.save(tmp_path / "others.npy", test.images[test.labels > 4][:60])
    output = tmp_path / "others.csv"
    model = str(train.home("mine"))
    assert (
        predict.main([str(tmp_path / "others.npy"), "--model", model, "--threshold", "0", "--output", str(output)]) == 0
    )
    found = rows(output)
    unknown = [row for row in found if row["digit"] > "4"]
    assert unknown
    assert all(row["send_to_human"] == "yes" and row["problem"] for row in unknown)
    assert all(row["send_to_human"] == "no" or row["problem"] for row in found if row["digit"] <= "4")


def test_where_the_shipped_network_knows_the_images_training_begins_afresh(tmp_path, capsys):
    """MNIST's rows under another name: nothing that begins with the shipped network could be measured on them."""
    whole = load.load_mnist().pooled
    rows = np.random.default_rng(0).permutation(len(whole))[:900]
    images, labels = whole.images[rows], whole.labels[rows]
    np.savez(
        tmp_path / "mine.npz", x_train=images[:600], y_train=labels[:600], x_test=images[600:], y_test=labels[600:]
    )
    assert run(tmp_path / "mine.npz") == 0
    card, known = card_of(), int((rows[600:] < 60_000).sum())
    assert list(card["held_out"]["by_candidate"]) == [own.NEW]
    assert card["own"]["familiar"] == known
    assert card["compared"]["shipped"]["n"] == 300 - known
    assert "start" not in card["run"]["spec"]
    said = capsys.readouterr().out
    assert f"{known:,} of the 300 test images are MNIST's" in said
    assert f"of the {300 - known} of them that it has not seen" in said


def test_an_image_of_mnist_is_known_again_after_it_was_prepared():
    mnist = load.load_mnist()
    rows = np.arange(0, 60_000, 600)
    again = ship.prepared(list(mnist.train.images[rows].astype(np.float32))).images
    assert own.familiar(mnist.train.images[rows], mnist.train.labels[rows]).all()
    assert own.familiar(again, mnist.train.labels[rows]).mean() >= 0.97
    assert not own.familiar(mnist.test.images[:300], mnist.test.labels[:300]).any()


def test_source_only_begins_afresh_too(few):
    assert run(few, "--source-only", "--epochs", 1) == 0
    assert list(card_of()["held_out"]["by_candidate"]) == [own.NEW]
    assert card_of()["run"]["spec"]["epochs"] == 1


@pytest.fixture(scope="module")
def competition(tmp_path_factory):
    """Kaggle's two files: 500 labelled digits, and 40 without labels."""
    test, folder = load.load_mnist().test, tmp_path_factory.mktemp("digit-recognizer")
    images, header = test.images[5000:5540].reshape(540, 784), ",".join(f"pixel{i}" for i in range(784))
    labelled = np.column_stack([test.labels[5000:5500], images[:500]])
    how = {"fmt": "%d", "delimiter": ",", "comments": ""}
    np.savetxt(folder / "train.csv", labelled, header="label," + header, **how)
    np.savetxt(folder / "test.csv", images[500:], header=header, **how)
    return folder


def test_a_submission_holds_what_the_command_reads_in_the_order_of_the_file(competition, tmp_path, capsys):
    assert run(competition, "--five") == 0
    model = train.home("mine")
    np.save(tmp_path / "test.npy", load.load_mnist().test.images[5500:5540])
    output = tmp_path / "read.csv"
    assert predict.main([str(tmp_path / "test.npy"), "--model", str(model), "--output", str(output)]) == 0
    lines = (model.parent / "submission.csv").read_text().split("\n")
    assert lines == ["ImageId,Label", *(f"{i},{row['digit']}" for i, row in enumerate(rows(output), start=1)), ""]
    five = rows(model.parent / "submission_five.csv")
    assert [row["ImageId"] for row in five] == [str(i) for i in range(1, 41)]
    said = capsys.readouterr().out
    assert said.index("training 4 networks more") < said.index("submission_five.csv: 40 rows")


def test_five_networks_are_averaged_by_their_probabilities():
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(6, 10)) for _ in range(3)]
    trials = [own.Trial("", lambda images, one=one: one, 1.0, 0.0, None, None) for one in logits]
    shares = np.mean([np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in logits], axis=0)
    assert np.allclose(np.exp(own.average(trials)(None)), shares)


def test_a_name_that_exists_is_refused_and_replaced_when_asked(few, capsys):
    assert run(few) == 0
    model = train.home("mine")
    before = (model / shipped.CARD).read_bytes()
    (model.parent / "submission.csv").write_text("of the old network")
    with pytest.raises(SystemExit) as refused:
        run(few, "--seed", 1)
    assert refused.value.code == 2
    assert "or --replace, is allowed" in capsys.readouterr().err
    assert (model / shipped.CARD).read_bytes() == before
    assert run(few, "--seed", 1, "--replace") == 0
    assert card_of()["run"]["spec"]["seed"] == 1
    assert [path.name for path in model.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("what", ["trained", "written"])
def test_interrupted_it_leaves_what_was_there(few, what, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    folder = train.home("mine").parent
    monkeypatch.setattr(*((fit, "run") if what == "trained" else (ship, "write_weights")), interrupt)
    monkeypatch.setattr(own, "choose", lambda trials: trials[0])
    assert run(few) == 130
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert "nothing was written" in capsys.readouterr().out
    train.home("mine").mkdir(parents=True)
    (train.home("mine") / "digits.json").write_text("the old one")
    assert run(few, "--replace") == 130
    assert [path.name for path in folder.iterdir()] == ["model"]
    assert (train.home("mine") / "digits.json").read_text() == "the old one"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "nowhere", "--name", "mine"], "--source: got 'nowhere'; an existing file or folder is needed"),
        (["--source", "", "--name", "mine"], "--source: got ''; an existing"),
        (["--source", "{few}", "--name", "../mine"], "--name: got '../mine'; letters"),
        (["--source", "{few}", "--name", ".mine"], "--name: got '.mine'; letters"),
        (["--source", "{few}", "--name", "mine", "--epochs", "0"], "--epochs: got 0; a whole number from 1"),
        (["--source", "{few}", "--name", "mine", "--seed", "-1"], "--seed: got -1; a whole number from 0"),
        (["--source", "{few}", "--name", "mine", "--five"], "few.npz has no test part without labels"),
        (["--source", "{spoilt}", "--name", "mine"], "spoilt.npz"),
    ],
)
def test_a_wrong_request_is_refused_in_words_and_before_anything_slow(few, tmp_path, arguments, words):
    spoilt = tmp_path / "spoilt.npz"
    spoilt.write_bytes(b"PK nothing")
    given = [one.format(few=few, spoilt=spoilt) for one in arguments]
    code = (
        "import sys; from helpers.predict import train\n"
        "try: status = train.main(sys.argv[1:])\n"
        "except SystemExit as end: status = end.code\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules), 'these take seconds'\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_it_learns_from_all_that_it_will_be_asked_about():
    """Pictures that fill 28 x 28 are read as they are, too; a blank one shows nothing to learn."""
    images = load.load_mnist().train.images[:5].astype(np.float32)
    wide = np.kron(images[0], np.ones((2, 2)))[14:42, 14:42]
    sheet = ship.Sheet("", ship.prepared([*images, wide, np.zeros((28, 28))]), np.arange(7))
    learned, labels = own._to_learn(sheet)
    asked = []

    def network(images):
        asked.extend(image.tobytes() for image in images)
        return np.eye(10)[np.zeros(len(images), int)]

    ship.answers(sheet, Predictor("", network, 0.0))
    assert sheet.made.unchanged
    assert sorted(image.tobytes() for image in learned) == sorted(asked)
    assert sorted(labels) == sorted([*range(6), *sheet.made.unchanged])


def test_the_threshold_is_the_lowest_at_which_few_are_wrong_by_count_and_as_stated():
    rng = np.random.default_rng(0)
    for wrong_share in (0.002, 0.02):
        sure = np.round(rng.beta(20, 1, 400), 3)
        right = rng.random(400) < sure
        fine = [
            t
            for t in np.unique(sure)
            if (~right[sure >= t]).mean() <= wrong_share and (1 - sure[sure >= t]).mean() <= wrong_share
        ]
        assert fine
        assert own.threshold_of(sure, right, wrong_share=wrong_share) == min(fine)
    assert own.threshold_of(np.full(100, 0.99), np.ones(100, bool)) == 1.0
    assert own.threshold_of(np.full(100, 0.999), np.ones(100, bool)) == 0.999


def test_no_network_is_surer_than_the_shipped_one(few):
    prepared = own.prepare(load.load_source(str(few)))
    perfect = {
        image.tobytes(): label for image, label in zip(prepared.val.made.images, prepared.val.labels, strict=True)
    }

    def logits(images):
        return 5.0 * np.eye(10, dtype=np.float32)[[perfect[image.tobytes()] for image in images]]

    trial = own.calibrated("perfect", logits, prepared, shipped.DIRECTORY)
    assert trial.right.all()
    assert trial.temperature == 0.5


def test_what_so_few_images_cannot_show_is_said():
    assert "at most 0.19% are wrong" in own_card.promised(2000, 0)
    needed = own_card.least_to_show(0.002)
    assert metrics.wilson(0, needed).high <= 0.002 < metrics.wilson(0, needed - 1).high
    assert f"takes {needed:,} without a mistake" in own_card.promised(100, 0)
    assert "sure of none" in own_card.promised(0, 0)


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [(20, 2, "yours is better"), (2, 20, "yours is worse"), (3, 1, "cannot be told apart")],
)
def test_the_verdict_follows_the_paired_test(ours, theirs, words):
    from scipy import stats

    p = float(stats.binomtest(ours, ours + theirs).pvalue)
    assert words in own_card._verdict({"only_own": ours, "only_shipped": theirs, "p_value": p})
