"""Looking into networks: against arrays computed by hand."""

import itertools

import numpy as np
import pytest

from helpers.data import splits
from helpers.training import fit, inspection


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 28, 28)).astype(np.uint8), rng.integers(0, 10, 60)
    a, b = slice(0, 40), slice(40, 60)
    split = splits.of_arrays("toy", *((images[part], labels[part]) for part in (a, b, b)))
    store = tmp_path_factory.mktemp("runs")
    names = ("linear", "nf264_shallow", "fast_b")
    return {
        name: fit.run(fit.TrainSpec(name, split, batch_size=20, precision="float32"), store=store) for name in names
    }


def test_dense_weights_are_the_kernel_strongest_first(runs):
    images = inspection.first_weights(runs["linear"], 4)
    columns = runs["linear"].load().get_weights()[0].T.reshape(10, 28, 28)
    chosen = [next(i for i in range(10) if np.array_equal(image, columns[i])) for image in images]  # copies, to the bit
    assert len(set(chosen)) == 4
    strength = np.sqrt((columns.astype(float) ** 2).sum(axis=(1, 2)))
    falling = [*strength[chosen], max(strength[i] for i in range(10) if i not in chosen)]
    # Two that are as strong to float32's last digits may come in either order.
    assert all(after <= before * (1 + 1e-5) for before, after in itertools.pairwise(falling)), falling


def test_convolution_weights_are_windows(runs):
    assert inspection.first_weights(runs["nf264_shallow"], 5).shape == (5, 3, 3)


def test_feature_maps_of_the_shallow_network_by_hand(runs):
    run = runs["nf264_shallow"]
    image = run.spec.split.x_test[0]
    (maps,) = inspection.feature_maps(run, image, n=32)
    kernel, bias = run.load().get_weights()[:2]
    windows = np.lib.stride_tricks.sliding_window_view(image / 255, (3, 3))
    by_hand = np.maximum(np.einsum("ijkl,klc->cij", windows, kernel[:, :, 0]) + bias[:, None, None], 0)
    order = np.argsort(-by_hand.sum(axis=(1, 2)), kind="stable")
    np.testing.assert_allclose(maps, by_hand[order], atol=1e-4)


def test_feature_maps_come_one_stack_a_convolution(runs):
    stacks = inspection.feature_maps(runs["fast_b"], runs["fast_b"].spec.split.x_test[0], n=3)
    assert [stack.shape for stack in stacks] == [(3, 12, 12), (3, 10, 10), (3, 4, 4), (3, 2, 2)]
    assert all((stack >= 0).all() for stack in stacks)


def test_time_per_image_is_the_median_of_calls_after_one_to_warm_up(runs, monkeypatch):
    """On a clock that only the predictor moves: 40 ms to warm up, then 9 + n ms for n images, and one call stalls."""
    now, asked = [50.0], []

    def predictor(images):
        asked.append(len(images))
        now[0] += 0.04 if len(asked) == 1 else 1.0 if len(asked) == 3 else (9 + len(images)) / 1000

    monkeypatch.setattr(inspection.loops, "make_predictor", lambda model: predictor)
    monkeypatch.setattr(inspection.time, "perf_counter", lambda: now[0])
    for batch, wanted in ((1, 10.0), (64, 73 / 64)):  # the toy's 20 test images come round and round
        asked.clear()
        found = inspection.milliseconds_per_image(runs["fast_b"], batch=batch, seconds=0.0)
        assert found == pytest.approx(wanted)
        assert asked == [batch] * 6, "one to warm up and at least five"
    asked.clear()
    inspection.milliseconds_per_image(runs["fast_b"], batch=1, seconds=1.995)
    assert len(asked) == 1 + 1 + 1 + 99, "as many as begin within the time: one, the one that stalls, and 10 ms each"


def test_the_price_list_holds_errors_and_costs(runs):
    table = inspection.price_list({"a": runs["linear"], "b": runs["fast_b"]}, seconds=0.05)
    wrong = np.mean(runs["linear"].val_predictions != runs["linear"].spec.split.y_val)
    assert table.loc["a", "error"] == pytest.approx(max(wrong, 0.5 / 20))
    assert (table["low"] <= table["error"]).all()
    assert (table["error"] <= table["high"]).all()
    assert table.loc["b", "parameters"] == runs["fast_b"].parameters
    assert (table > 0).to_numpy()[:, [0, 2, 3, 4, 5, 6]].all()


def test_sizes_by_hand():
    table = inspection.made_of({"softmax": "linear", "NF264's": "nf264_shallow"})
    assert table.loc["softmax", "parameters"] == 784 * 10 + 10
    assert table.loc["softmax", "MFLOP an image"] == 2 * 784 * 10 / 1e6
    # 32 windows of 3 x 3 over 26 x 26 places, then 13 x 13 x 32 to 100 to 10
    assert table.loc["NF264's", "parameters"] == 32 * 10 + (13 * 13 * 32 * 100 + 100) + 1010
    assert table.loc["NF264's", "MFLOP an image"] == 2 * (26 * 26 * 9 * 32 + 13 * 13 * 32 * 100 + 1000) / 1e6
