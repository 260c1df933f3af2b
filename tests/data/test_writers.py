"""Writers: only the right file gets in, and people, not images, are the sample."""

import gzip
import hashlib
import http.server
import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.data import writers
from helpers.data.dataset import build_mnist
from helpers.data.load import load_mnist

TRAIN, TEST = writers.SUMS


def mnist(n_train=40, n_test=12, seed=0):
    rng = np.random.default_rng(seed)
    arrays = []
    for n in (n_train, n_test):
        arrays += [rng.integers(0, 256, (n, 28, 28)).astype(np.uint8), rng.integers(0, 10, n)]
    return build_mnist("tiny", arrays, names=["tiny"] * 4)


def row(digit, writer, series=4, index=0):
    return [digit, series, writer, index, 30 + digit, index, 0, 0]


def packed(rows):
    return gzip.compress("".join("\t".join(map(str, line)) + "\n" for line in rows).encode())


def write(directory, train, test):
    """Write both files and return their sums; a value may be rows or bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    sums = {}
    for name, content in ((TRAIN, train), (TEST, test)):
        data = content if isinstance(content, bytes) else packed(content)
        (directory / name).write_bytes(data)
        sums[name] = hashlib.sha256(data).hexdigest()
    return sums


@pytest.fixture
def source():
    return mnist()


@pytest.fixture
def tables(source):
    train = [row(d, 2000 + i % 5, index=i) for i, d in enumerate(source.train.labels)]
    test = [row(d, 10 + i % 3, series=0, index=i) for i, d in enumerate(source.test.labels)]
    return train, test + [row(1, 99)] * 7  # the test file goes on with images that MNIST left out


def test_writers_stand_beside_their_images(source, tables, tmp_path):
    found = writers.load(source, directory=tmp_path, sums=write(tmp_path, *tables))
    assert found.ids.tolist() == [2000 + i % 5 for i in range(40)] + [10 + i % 3 for i in range(12)]
    assert found.series.tolist() == [4] * 40 + [0] * 12
    assert found.ids.dtype == found.series.dtype == np.int64
    assert not found.ids.flags.writeable


def test_the_sum_is_checked_before_anything_is_read(source, tables, tmp_path):
    write(tmp_path, *tables)
    with pytest.raises(ValueError, match=rf"{TRAIN}: SHA-256 is [0-9a-f]{{64}}, expected 063229af.*make extras"):
        writers.load(source, directory=tmp_path)


def test_a_missing_file_is_named_with_the_way_to_get_it(source, tables, tmp_path):
    sums = write(tmp_path, *tables)
    assert writers.present(tmp_path)
    (tmp_path / TEST).unlink()
    assert not writers.present(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"{TEST}.*make extras"):
        writers.load(source, directory=tmp_path, sums=sums)
    text = writers.how_to_get(tmp_path)
    assert TEST in text
    assert TRAIN not in text
    assert "make extras" in text


def test_labels_of_other_images_are_refused(source, tables, tmp_path):
    train, test = tables
    train[17] = row((source.train.labels[17] + 1) % 10, 2000)
    with pytest.raises(ValueError, match=rf"{TRAIN}: row 18 says digit .*1 rows differ"):
        writers.load(source, directory=tmp_path, sums=write(tmp_path, train, test))


BROKEN = [
    (b"not gzip at all", "not gzipped text"),
    (packed([row(1, 2)])[:-9], "not gzipped text"),
    (packed([row(1, 2), row(1, 2)[:7]]), r"row 2 is .*8 whole numbers"),
    (packed([[*row(1, 2)[:7], "x"]]), r"row 1 is .*8 whole numbers"),
    (packed([[*row(1, 2)[:7], -1]]), r"row 1 is .*8 whole numbers"),
    (packed([row(1, 2), row(10, 2)]), "row 2 says digit 10, expected 0 to 9"),
    (packed([row(1, 2)]), "has 1 rows, expected at least 40"),
    (packed([]), "has 0 rows, expected at least 40"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_damaged_files_are_refused_by_name_and_row(content, message, source, tables, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        writers.load(source, directory=tmp_path, sums=write(tmp_path, content, tables[1]))
    assert TRAIN in str(caught.value)


@pytest.mark.skipif(not writers.present(), reason="QMNIST's label files are not here; make extras fetches them")
def test_the_real_files_belong_to_mnist():
    source = load_mnist()
    found = writers.load(source)
    assert len(found.ids) == 70_000
    n = len(source.train)
    assert not np.intersect1d(found.ids[:n], found.ids[n:]).size  # no writer is on both sides of MNIST's own division
    assert set(np.unique(found.series)) <= {0, 1, 4}


def test_counts_by_writer_are_those_of_a_plain_loop():
    rng = np.random.default_rng(1)
    ids, correct = rng.integers(100, 120, 500), rng.random(500) < 0.8
    table = writers.by_writer(ids, correct)
    for writer in set(ids.tolist()):
        mine = [bool(c) for i, c in zip(ids, correct, strict=True) if i == writer]
        assert table.loc[writer, "n"] == len(mine)
        assert table.loc[writer, "right"] == sum(mine)
        assert table.loc[writer, "accuracy"] == pytest.approx(sum(mine) / len(mine))
    assert table["n"].sum() == 500
    with pytest.raises(ValueError, match="one bool for each id"):
        writers.by_writer(ids, correct[:-1])
    with pytest.raises(ValueError, match="one bool for each id"):
        writers.by_writer(ids, correct.astype(int))


def test_the_interval_agrees_with_the_clustered_standard_error():
    # The oracle is the textbook formula for a ratio of sums over clusters (linearised), not another bootstrap.
    rng = np.random.default_rng(2)
    skill = rng.beta(20, 2, 300)
    ids = np.repeat(np.arange(300), rng.integers(40, 160, 300))
    correct = rng.random(len(ids)) < skill[ids]
    found = writers.clustered(ids, correct, n_resamples=8000, seed=3)
    table = writers.by_writer(ids, correct)
    residual = table["right"] - found.estimate * table["n"]
    error = np.sqrt((residual**2).sum() * 300 / 299) / table["n"].sum()
    z = stats.norm.ppf(0.975)
    assert found.estimate == pytest.approx(correct.mean())
    assert found.low == pytest.approx(found.estimate - z * error, abs=0.12 * error)
    assert found.high == pytest.approx(found.estimate + z * error, abs=0.12 * error)
    plain = np.sqrt(found.estimate * (1 - found.estimate) / len(ids))
    assert (found.high - found.low) > 2.5 * 2 * z * plain / 2  # far wider than if images were independent
    assert found == writers.clustered(ids, correct, n_resamples=8000, seed=3)
    assert found != writers.clustered(ids, correct, n_resamples=8000, seed=4)


def test_a_difference_by_people_agrees_with_the_clustered_standard_error():
    rng = np.random.default_rng(5)
    ids = np.repeat(np.arange(200), rng.integers(30, 90, 200))
    # The second reads some hands badly, so what it loses comes in lumps.
    bad = rng.random(200) < 0.1
    a, b = rng.random(len(ids)) < 0.97, rng.random(len(ids)) < np.where(bad[ids], 0.8, 0.97)
    found = writers.clustered_difference(ids, a, b, n_resamples=8000)
    gain = pd.Series(a.astype(float) - b).groupby(ids).agg(["sum", "size"])
    residual = gain["sum"] - found.estimate * gain["size"]
    error = np.sqrt((residual**2).sum() * 200 / 199) / len(ids)
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    assert found.low == pytest.approx(found.estimate - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(found.estimate + 1.96 * error, abs=0.15 * error)
    assert found.unit == "pp"


def test_with_one_image_each_people_are_images():
    correct = np.arange(2000) % 10 != 0
    found = writers.clustered(np.arange(2000), correct, n_resamples=8000)
    error = np.sqrt(0.9 * 0.1 / 2000)
    assert found.low == pytest.approx(0.9 - 1.96 * error, abs=0.1 * error)
    with pytest.raises(ValueError, match="at least 2"):
        writers.clustered(np.zeros(5), np.ones(5, bool))


def test_expected_mistakes_are_the_binomial_mixture():
    table = writers.by_writer(np.repeat([1, 2, 3], [10, 20, 30]), np.arange(60) % 12 != 0)
    expected = writers.expected_mistakes(table, 60)
    assert expected.sum() == pytest.approx(3)
    rate = 5 / 60
    assert expected[0] == pytest.approx(sum((1 - rate) ** n for n in (10, 20, 30)))
    assert (expected * np.arange(61)).sum() == pytest.approx(5)


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """A folder that stands for the public address, and the sums of what it offers."""
    sums = write(tmp_path / "offer", [row(1, 2)], [row(3, 4)])
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "offer")
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", sums
        server.shutdown()


def test_fetching_checks_and_fetches_only_what_is_missing(offer, tmp_path):
    address, sums = offer
    target = tmp_path / "data" / "qmnist"
    assert writers.fetch(target, address=address, sums=sums) == [TRAIN, TEST]
    assert writers.fetch(target, address=address, sums=sums) == []
    (target / TEST).write_bytes(b"damaged")
    assert writers.fetch(target, address=address, sums=sums) == [TEST]
    assert sorted(path.name for path in target.iterdir()) == sorted(sums)
    assert (target / TEST).read_bytes() == (tmp_path / "offer" / TEST).read_bytes()


def test_a_wrong_file_is_never_put_in_place(offer, tmp_path):
    address, _ = offer
    target = tmp_path / "data" / "qmnist"
    with pytest.raises(writers.Unavailable, match=r"SHA256 [\s\S]*063229af[\s\S]*FILE=path/to"):
        writers.fetch(target, address=address)
    assert list(target.iterdir()) == []


def test_without_a_network_it_says_what_to_do_by_hand(tmp_path):
    nowhere = "http://127.0.0.1:9/"  # the port of discard, where nothing listens
    with pytest.raises(writers.Unavailable, match=rf"{nowhere}{TRAIN} could not be fetched[\s\S]*make extras FILE="):
        writers.fetch(tmp_path / "qmnist", address=nowhere)


def test_a_file_fetched_by_hand_finds_its_name(offer, tmp_path):
    _, sums = offer
    by_hand = tmp_path / "Downloads (1).gz"
    by_hand.write_bytes((tmp_path / "offer" / TEST).read_bytes())
    assert writers.take(by_hand, tmp_path / "qmnist", sums=sums) == TEST
    assert (tmp_path / "qmnist" / TEST).read_bytes() == by_hand.read_bytes()
    by_hand.write_bytes(b"something else")
    with pytest.raises(writers.Unavailable, match="got SHA-256"):
        writers.take(by_hand, tmp_path / "qmnist", sums=sums)
    with pytest.raises(writers.Unavailable, match="No such file"):
        writers.take(tmp_path / "nothing", tmp_path / "qmnist", sums=sums)


def test_the_command_reports_failure_by_its_status(monkeypatch, capsys, tmp_path):
    assert writers.main(["--file", str(tmp_path / "nothing")]) == 1
    assert "No such file" in capsys.readouterr().err
    monkeypatch.setattr(writers, "fetch", list)
    assert writers.main([]) == 0
    assert "SHA-256 checked" in capsys.readouterr().out


def test_the_error_of_a_mean_by_people_is_the_usual_one_for_one_image_each_and_does_not_shrink_by_repeating():
    rng = np.random.default_rng(3)
    values = rng.normal(size=60)
    once = writers.clustered_error(np.arange(60), values)
    assert once == pytest.approx(stats.sem(values))
    copies = writers.clustered_error(np.repeat(np.arange(60), 9), np.repeat(values, 9))
    assert copies == pytest.approx(once), "nine equal images by each of sixty people are sixty witnesses"


def test_the_error_of_a_mean_by_people_is_the_spread_over_worlds_of_other_people():
    rng = np.random.default_rng(4)
    ids = np.repeat(np.arange(30), 20)
    worlds = [rng.normal(size=30)[ids] + rng.normal(size=600) for _ in range(600)]
    found = np.mean([writers.clustered_error(ids, world) for world in worlds])
    assert found == pytest.approx(np.std([world.mean() for world in worlds], ddof=1), rel=0.1)
    assert found > 3 * np.mean([stats.sem(world) for world in worlds])


@pytest.mark.parametrize(("ids", "values"), [([1, 2], [1.0]), ([1, 1], [1.0, 2.0]), ([], [])])
def test_the_error_of_a_mean_by_people_needs_people(ids, values):
    with pytest.raises(ValueError, match="expected"):
        writers.clustered_error(ids, values)
