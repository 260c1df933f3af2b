"""Submissions: files that Kaggle would take, scores only where labels are known, and the pitfall."""

import csv
import os

import numpy as np
import pytest
from scipy import stats

from helpers.data import kaggle, load
from helpers.evaluation import metrics
from helpers.training import fit


def write_csv(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's train.csv (600 labelled images of MNIST) and test.csv (20 further ones)."""
    place = tmp_path_factory.mktemp("kaggle")
    train = load.load_mnist().train
    pixels = [f"pixel{i}" for i in range(784)]
    flat = train.images[:620].reshape(620, 784).tolist()
    labels = train.labels[:620].tolist()
    write_csv(place / "train.csv", ["label", *pixels], [[a, *b] for a, b in zip(labels[:600], flat[:600], strict=True)])
    write_csv(place / "test.csv", pixels, flat[600:])
    return place


def test_our_competition_has_kaggles_proportions_and_known_labels():
    ours = kaggle.competition()
    assert ours.labelled
    assert [len(x) for x in (ours.split.x_train, ours.split.x_val, ours.split.x_test)] == [37_800, 4_200, 28_000]
    same = load.make_split("kaggle")
    assert ours.split.fingerprint == same.fingerprint


def test_a_users_files_become_a_split_without_test_labels(folder):
    theirs = kaggle.competition(str(folder), seed=1)
    split = theirs.split
    assert not theirs.labelled
    assert [len(x) for x in (split.x_train, split.x_val, split.x_test)] == [540, 60, 20]
    mnist = load.load_mnist().train
    assert np.array_equal(split.x_test, mnist.images[600:620])
    assert (split.y_test == -1).all()
    # Every labelled image is in one of the two parts, once, with its own label.
    told = [
        (image.tobytes(), int(label))
        for images, labels in ((split.x_train, split.y_train), (split.x_val, split.y_val))
        for image, label in zip(images, labels, strict=True)
    ]
    assert sorted(told) == sorted((mnist.images[i].tobytes(), int(mnist.labels[i])) for i in range(600))
    assert kaggle.competition(str(folder), seed=2).split.fingerprint != split.fingerprint
    assert len(kaggle.competition(str(folder), n_train=30, n_test=5).split.x_test) == 5


def test_one_can_train_on_a_users_files_and_submit(folder, tmp_path):
    split = kaggle.competition(str(folder)).split
    spec = fit.TrainSpec("linear", split, epochs=1, batch_size=10)
    run = fit.run(spec, store=tmp_path / "runs")
    path = kaggle.write(tmp_path / "submission.csv", run.test_predictions)
    assert len(path.read_text().splitlines()) == 21
    assert kaggle.score(run.test_predictions, split.y_test) is None


def test_a_submission_is_what_kaggle_asks_for(tmp_path):
    predictions = np.random.default_rng(0).integers(0, 10, 28_000)
    path = kaggle.write(tmp_path / "new" / "submission.csv", predictions)
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["ImageId", "Label"]
    assert [int(row["ImageId"]) for row in rows] == list(range(1, 28_001))
    assert [int(row["Label"]) for row in rows] == predictions.tolist()
    assert np.array_equal(kaggle.read(path), predictions)
    assert os.listdir(path.parent) == ["submission.csv"]


@pytest.mark.parametrize(
    "wrong", [np.array([0.0, 1.0]), np.array([10]), np.array([-1]), np.zeros((2, 2), int), np.zeros(0, int)]
)
def test_what_is_no_submission_is_refused_and_leaves_the_old_file(tmp_path, wrong):
    path = kaggle.write(tmp_path / "submission.csv", np.array([1, 2]))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="predictions"):
        kaggle.write(path, wrong)
    assert path.read_bytes() == before


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = kaggle.write(tmp_path / "submission.csv", np.array([1, 2]))
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        kaggle.write(path, np.array([3, 4]))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["submission.csv"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Id,Label\n1,2\n", "line 1"),
        ("ImageId,Label\n2,2\n", "line 2"),
        ("ImageId,Label\n1,2\n2,12\n", "line 3"),
        ("ImageId,Label\n1,\n", "line 2"),
        ("ImageId,Label\n", "no images"),
        ("", "line 1"),
    ],
)
def test_a_damaged_submission_is_named_by_line(tmp_path, text, line):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=line):
        kaggle.read(path)


def test_only_known_labels_are_scored():
    predictions, labels = np.array([1, 2, 3, 4]), np.array([1, -1, 0, 4])
    assert kaggle.score(predictions, labels) == metrics.wilson(2, 3)
    assert kaggle.score(predictions, np.full(4, -1)) is None
    with pytest.raises(ValueError, match="shapes"):
        kaggle.score(predictions, labels[:2])


def test_the_public_quarter_is_a_draw():
    low, high = kaggle.ranking_luck(metrics.wilson(27_860, 28_000))
    # The exact distribution, from scipy.
    exact = stats.hypergeom(28_000, 27_860, 7000)
    assert low == pytest.approx(exact.ppf(0.025) / 7000, abs=2e-4)
    assert high == pytest.approx(exact.ppf(0.975) / 7000, abs=2e-4)
    assert kaggle.ranking_luck(metrics.wilson(9, 10), share=1) == (0.9, 0.9)
    with pytest.raises(ValueError, match="share"):
        kaggle.ranking_luck(metrics.wilson(9, 10), share=0)


def test_looking_up_needs_no_learning(folder):
    split = kaggle.competition(str(folder)).split
    found = kaggle.look_up(split.x_test)
    assert np.array_equal(found, load.load_mnist().train.labels[600:620])
    changed = split.x_test.copy()
    changed[3, 14, 14] ^= 1
    assert kaggle.look_up(changed).tolist() == [*found[:3], -1, *found[4:]]
    labels, share = kaggle.known_labels(split)
    assert (labels.tolist(), share) == (found.tolist(), 1.0)
    ours = load.make_split("kaggle", n_train=10, n_test=300)
    labels, share = kaggle.known_labels(ours)
    assert np.array_equal(labels, ours.y_test)
    assert share == 1.0


def test_the_score_to_expect_holds_for_the_next_sample():
    """A reader of unknown accuracy is seen on 300 images and scored on 500 others: 95% of the scores lie within."""
    rng = np.random.default_rng(0)
    inside = []
    for accuracy in rng.uniform(0.8, 1, 2000):
        expected = kaggle.expected_score(int(rng.binomial(300, accuracy)), 300, 500)
        inside.append(expected.low <= rng.binomial(500, accuracy) / 500 <= expected.high)
    assert 0.93 <= np.mean(inside) <= 0.985
    wilson = metrics.wilson(290, 300)
    assert kaggle.expected_score(290, 300, 500).low < wilson.low
