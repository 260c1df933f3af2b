"""The command and the shipped network, end to end: MNIST, other hands, bad files, atomic tables, exit statuses."""

import csv
import json
import multiprocessing.connection
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from test_decoding import BAD

from helpers.data import load
from helpers.data.pictures import preparing
from helpers.predict import __main__ as command
from helpers.predict import pipeline, shipped, sources, table
from helpers.training import fit


@pytest.fixture(scope="module")
def network():
    return shipped.load()


@pytest.fixture(autouse=True)
def loaded_once(network, monkeypatch):
    load = shipped.load
    monkeypatch.setattr(shipped, "load", lambda directory=None: load(directory) if directory else network)


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    monkeypatch.setattr(command, "FEW", 1000)  # tests that are about processes set it back


@pytest.fixture(scope="module")
def mnist():
    return load.load_mnist().test


@pytest.fixture(scope="module")
def folder(mnist, tmp_path_factory):
    """Forty MNIST digits as files of several kinds, sizes and polarities, named by their labels."""
    place = tmp_path_factory.mktemp("digits")
    for i in range(40):
        image = Image.fromarray(mnist.images[i])
        if i % 2:
            image = Image.eval(image, lambda value: 255 - value)
        if i % 3:
            image = image.resize((28 + 10 * i, 28 + 10 * i), Image.Resampling.BICUBIC)
        image.save(place / f"{i:02d}_{mnist.labels[i]}.{('png', 'jpg', 'tif', 'pgm')[i % 4]}")
    return place


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_two_hundred_mnist_digits_are_read(network, mnist, tmp_path, capfd):
    np.savez(tmp_path / "x.npz", images=mnist.images[:200])
    assert run(tmp_path / "x.npz", "--output", tmp_path / "y.csv") == 0
    got = rows(tmp_path / "y.csv")
    assert [int(row["index"]) for row in got] == list(range(200))
    right = sum(int(row["digit"]) == label for row, label in zip(got, mnist.labels[:200], strict=True))
    assert right >= 198
    assert all(row["polarity"] == "light-on-dark" and not row["problem"] for row in got)
    assert "\r" not in capfd.readouterr().err  # a bar is for terminals


def test_a_folder_is_read_whatever_the_format_size_and_polarity(folder, tmp_path):
    assert run(folder, "--output", tmp_path / "y.csv") == 0
    got = rows(tmp_path / "y.csv")
    assert [row["file"] for row in got] == sorted(str(path) for path in folder.iterdir())
    assert sum(row["digit"] == row["file"].split("_")[-1][0] for row in got) >= 39
    assert all(row["polarity"] == ("light-on-dark", "dark-on-light")[i % 2] for i, row in enumerate(got))


def test_the_table_says_what_the_network_says(network, mnist, tmp_path):
    np.save(tmp_path / "x.npy", mnist.images[:100])
    assert run(tmp_path / "x.npy", "--output", tmp_path / "y.csv", "--threshold", 0.995) == 0
    images = np.stack([preparing.prepare(image.astype(np.float32)).image for image in mnist.images[:100]])
    model = fit.load_model(shipped.DIRECTORY / shipped.WEIGHTS, sha256=shipped.load_card()["sha256"])
    logits = (
        np.asarray(model(images[..., None].astype(np.float32) / 255), np.float64) / shipped.load_card()["temperature"]
    )
    powers = np.exp(logits)
    expected = powers / powers.sum(axis=1, keepdims=True)
    for row, chances in zip(rows(tmp_path / "y.csv"), expected, strict=True):
        first, second = int(row["digit"]), int(row["second_digit"])
        highest, next_highest = np.sort(chances)[:-3:-1]
        assert first != second
        # Of two that are as likely to four digits, either may be named: the logits are added up in another order here.
        assert [chances[first], chances[second]] == pytest.approx([highest, next_highest], rel=1e-3)
        assert float(row["confidence"]) == pytest.approx(highest, abs=2e-4)
        assert float(row["second_confidence"]) == pytest.approx(next_highest, abs=2e-4)
        if abs(highest - 0.995) > 2e-4:
            assert row["send_to_human"] == ("yes" if highest < 0.995 else "no")


def test_bad_files_get_rows_and_stop_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "FEW", 32)
    place = tmp_path / "scans"
    shutil.copytree(folder, place)
    for i, (data, _) in enumerate(BAD.values()):
        (place / f"bad{i:02d}.png").write_bytes(data)
    Image.new("L", (50, 50), 255).save(place / "blank.png")
    Image.new("L", (50, 50), 0).save(place / "black.png")
    os.mkfifo(place / "fifo.png")
    assert run(place, "missing.png", "--output", tmp_path / "y.csv", "--processes", 1) == 0
    got = {os.path.basename(row["file"]): row for row in rows(tmp_path / "y.csv")}
    assert len(got) == 40 + len(BAD) + 4
    for name, row in got.items():
        good = name[0].isdigit()
        assert bool(row["problem"]) is not good or list(BAD)[int(name[3:5])] == "mangled gif", row
        if not good and row["problem"]:
            assert row["send_to_human"] == "yes"
            assert row["digit"] == row["confidence"] == ""
    assert "all white" in got["blank.png"]["problem"]
    assert "all black" in got["black.png"]["problem"]
    assert sum(row["digit"] == name.split("_")[-1][0] for name, row in got.items() if name[0].isdigit()) >= 39


def test_processes_and_one_process_say_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "CHUNK", 7)
    assert run(folder, "--output", tmp_path / "b.csv") == 0
    monkeypatch.setattr(command, "FEW", 3)
    assert run(folder, "--output", tmp_path / "a.csv", "--processes", 1) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize("name", ["empty", "text", "20,000 x 20,000", "animated gif"])
def test_one_bad_file_is_an_error(name, tmp_path, capfd):
    (tmp_path / "x.png").write_bytes(BAD[name][0])
    assert run(tmp_path / "x.png") == 1
    out, err = capfd.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert "x.png" in err
    assert run(tmp_path / "x.png", "--output", tmp_path / "y.csv") == 1
    assert rows(tmp_path / "y.csv")[0]["problem"]


def test_a_missing_file_and_an_empty_folder_are_errors(tmp_path, capfd):
    assert run(tmp_path / "none.png") == 1
    assert "there is no such file" in capfd.readouterr().err
    assert run(tmp_path) == 1
    assert "nothing to read" in capfd.readouterr().err


def test_one_file_gets_a_sentence(folder, capfd):
    path = sorted(folder.iterdir())[0]
    assert run(path) == 0
    out = capfd.readouterr().out
    assert out.startswith(f"{path}: 7, ")
    assert out.count("\n") == 1
    assert run(path, "--output", "-") == 0
    header, line = capfd.readouterr().out.splitlines()
    assert header == ",".join(table.COLUMNS)
    assert line.startswith(f"{path},,7,")


def test_polarity_and_threshold_are_passed_on(folder, capfd):
    path = sorted(folder.iterdir())[0]  # light on dark
    assert run(path, "--polarity", "dark-on-light", "--output", "-") == 0
    assert ",dark-on-light," in capfd.readouterr().out
    assert run(path, "--threshold", "1", "--output", "-") == 0
    assert ",yes," in capfd.readouterr().out
    assert run(path, "--threshold", "0", "--output", "-") == 0
    assert ",no," in capfd.readouterr().out


@pytest.mark.parametrize(
    ("chances", "threshold", "written"),
    [  # the surest two of ten; confidences are cut off after four decimals, so that no row claims more than was found
        ([0.75, 0.25], 0.75, "3,0.7500,6,0.2500,no"),  # a digit at the threshold is accepted
        ([0.75, 0.25], np.nextafter(0.75, 1), "3,0.7500,6,0.2500,yes"),
        ([0.99996, 0.00004], 0.5, "3,0.9999,6,0.0000,no"),
        ([0.62499, 0.37501], 0.5, "3,0.6249,6,0.3750,no"),
        ([1.0, 0.0], 1.0, "3,0.9999,0,0.0000,no"),
    ],
)
def test_a_row_says_what_was_found_and_no_more(chances, threshold, written, folder, capfd, monkeypatch):
    def network(images):
        found = np.zeros((len(images), 10))
        found[:, [3, 6]] = chances
        return found

    network.threshold = threshold
    monkeypatch.setattr(shipped, "load", lambda directory=None: network)
    path = sorted(folder.iterdir())[0]
    assert run(path, "--output", "-") == 0
    assert f"{path},,{written},light-on-dark," in capfd.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["x", "--threshold", "2"],
        ["x", "--polarity", "no"],
        ["x", "--processes", "0"],
        ["x", "--output", "no/y.csv"],
    ],
)
def test_a_wrong_request_leaves_with_2(wrong, capfd):
    with pytest.raises(SystemExit) as caught:
        run(*wrong)
    assert caught.value.code == 2
    assert "usage:" in capfd.readouterr().err


def test_the_table_is_never_written_over_its_source(folder, capfd):
    path = sorted(folder.iterdir())[0]
    before = path.read_bytes()
    with pytest.raises(SystemExit):
        run(path, "--output", path)
    assert path.read_bytes() == before


def test_the_table_appears_whole_or_not_at_all(folder, tmp_path, monkeypatch, capfd):
    output = tmp_path / "y.csv"
    output.write_text("the old one")
    answers = pipeline.answer

    def breaking(*arguments, **options):
        assert output.read_text() == "the old one"
        if breaking.after == 0:
            raise breaking.error
        breaking.after -= 1
        return answers(*arguments, **options)

    monkeypatch.setattr(pipeline, "answer", breaking)
    monkeypatch.setattr(sources, "CHUNK", 5)
    for error, status in ((KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 1)):
        breaking.after, breaking.error = 2, error
        assert run(folder, "--output", output) == status
        assert output.read_text() == "the old one"
        assert [path.name for path in tmp_path.iterdir()] == ["y.csv"]
    breaking.after = 10**9
    assert run(folder, "--output", output) == 0
    assert len(rows(output)) == 40


def test_a_file_that_crashes_its_decoder_costs_only_itself(folder, tmp_path, network):
    crash = tmp_path / "crash.png"
    work = [sources.Work([str(path) for path in sorted(folder.iterdir())[:3]]), sources.Work([str(crash)])]
    crash.write_bytes(b"")
    with pipeline.Pool(1) as pool:
        (_, made), _ = list(pool.run(work, "auto"))
        assert made.problems == [""] * 3
        process = next(iter(pool._executor._processes.values()))
        os.kill(process.pid, signal.SIGKILL)
        assert multiprocessing.connection.wait([process.sentinel], timeout=60), "it is gone"
        (_, made), (_, last) = list(pool.run(work, "auto"))
    assert made.problems == [""] * 3
    assert "0 bytes" in last.problems[0]


def test_a_changed_network_is_not_loaded(tmp_path):
    for name in (shipped.CARD, shipped.WEIGHTS):
        shutil.copy(shipped.DIRECTORY / name, tmp_path / name)
    assert shipped.load(tmp_path).threshold == shipped.load_card()["threshold"]
    data = bytearray((tmp_path / shipped.WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / shipped.WEIGHTS).write_bytes(data)
    with pytest.raises(ValueError, match=r"not the file that was stored.*git restore reports/model.*predict\.ship"):
        shipped.load(tmp_path)
    (tmp_path / shipped.WEIGHTS).unlink()
    with pytest.raises(ValueError, match=r"cannot be read.*git restore reports/model"):
        shipped.load(tmp_path)
    (tmp_path / shipped.WEIGHTS).write_bytes(data)
    (tmp_path / shipped.CARD).write_text("{}")
    with pytest.raises(ValueError, match=r"damaged.*git restore reports/model"):
        shipped.load(tmp_path)
    (tmp_path / shipped.CARD).unlink()
    with pytest.raises(ValueError, match=r"helpers\.predict\.ship"):
        shipped.load(tmp_path)


def test_the_shipped_model_is_small_and_says_how_it_was_made():
    card = shipped.load_card()
    assert (shipped.DIRECTORY / shipped.WEIGHTS).stat().st_size < 1_000_000
    assert card["run"]["spec"]["model"]
    assert card["measured_once_at_the_end"]["MNIST test"]["n"] == 10_000
    json.dumps(card, allow_nan=False)


def test_scikit_learn_s_digits_of_other_writers_are_read(network):
    small = load.load_digits_8x8()
    images = np.stack([preparing.prepare(image.astype(np.float32) * (255 / 16)).image for image in small.images])
    right = network(images).argmax(axis=1) == small.labels
    measured = shipped.load_card()["measured_once_at_the_end"]["scikit-learn digits, 8 x 8"]
    assert right.mean() > 0.975
    assert int(right.sum()) == pytest.approx(measured["right"], abs=3)


def test_probabilities_sum_to_one(network, mnist):
    scores = network(mnist.images[:50])
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert network(mnist.images[:0]).shape == (0, 10)


@pytest.mark.slow
def test_the_command_itself(folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "helpers.predict", str(folder), "--output", str(tmp_path / "y.csv")],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    assert done.stderr.count("\n") == 1
    assert "40 images" in done.stderr
    assert len(rows(tmp_path / "y.csv")) == 40
    (tmp_path / "any").touch()
    assert (tmp_path / "y.csv").stat().st_mode == (tmp_path / "any").stat().st_mode
