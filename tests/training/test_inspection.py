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


def test_all_weights_come_in_the_order_of_the_outputs(runs):
    kernel = runs["linear"].load().get_weights()[0]
    images = inspection.first_weights(runs["linear"], None)
    assert images.shape == (10, 28, 28)
    for digit in range(10):
        np.testing.assert_array_equal(images[digit].ravel(), kernel[:, digit])


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
