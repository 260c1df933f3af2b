"""Looking into networks: against arrays computed by hand."""

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
    kernel = runs["linear"].load().get_weights()[0]
    order = np.argsort(-np.linalg.norm(kernel, axis=0))[:4]
    np.testing.assert_array_equal(images, kernel.T[order].reshape(4, 28, 28))


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


def test_time_per_image_is_positive_and_smaller_in_batches(runs):
    one = inspection.milliseconds_per_image(runs["fast_b"], batch=1, seconds=0.2)
    many = inspection.milliseconds_per_image(runs["fast_b"], batch=64, seconds=0.2)
    assert 0 < many < one


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
