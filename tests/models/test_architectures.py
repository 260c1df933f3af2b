"""Architectures: sizes against hand counts, seeded weights, fused layers against Keras's own."""

import keras
import numpy as np
import pytest

from helpers.models import architectures, layers

# Counted by hand from the published layer lists (weights + biases).
BY_HAND = {
    # 3x3x1x32+32, (13*13*32)*100+100, 100*10+10
    "nf264_shallow": 320 + 540_900 + 1_010,
    # + 3x3x32x64+64, 3x3x64x64+64, flattened 4*4*64
    "nf264_deep": 320 + 18_496 + 36_928 + (1_024 * 100 + 100) + 1_010,
    "hdr_cnn": 320 + 18_496 + 36_928 + (3 * 3 * 64 * 64 + 64) + 650,
    "drt_cnn": 832 + 25_632 + 18_496 + 36_928 + (7 * 7 * 64 * 256 + 256) + 2_570,
    "dr_double_conv": 640 + 36_928 + (5 * 5 * 64 * 128 + 128) + 1_290,
    "recog": 832 + 18_496 + (7 * 7 * 64 * 128 + 128) + 1_290,
    # four-channel input; batch normalization has 4 numbers a channel, two of them moving statistics
    "fast_b": 9 * (4 * 32 + 32 * 64 + 64 * 64 + 64 * 128) + 4 * (32 + 64 + 64 + 128) + 1_290,
    # 5x5, then four of 3x3
    "fast_small": 75 + 9 * (3 * 4 + 4 * 4 + 4 * 5 + 5 * 7) + 4 * (3 + 4 + 4 + 5 + 7) + 80,
    # 3x3 with bias, then twice nine numbers a channel and a mixture with bias, and the output
    "fast_separable": 70 + 9 * (7 + 10 + 10 + 11) + (7 * 10 + 10 * 10 + 10 * 11 + 11 * 12) + (10 + 10 + 11 + 12) + 130,
    # fast net e, and after each block two dense layers, c -> c/4 -> c
    "fast_se": 141_610 + sum(2 * c * c // 4 + c // 4 + c for c in (32, 32, 64, 64, 128)),
    "mlp": 784 * 512 + 512 + 512 * 512 + 512 + 5_130,
    "linear": 7_850,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_parameters_match_a_count_by_hand(name):
    assert architectures.size(architectures.build(name)).parameters == BY_HAND[name]


def test_a_depthwise_convolution_is_that_of_keras_and_its_work_counts():
    model = architectures.build("fast_separable", seed=2, precision="float32")
    ours = next(layer for layer in model.layers if isinstance(layer, architectures.Depthwise))
    theirs = keras.layers.DepthwiseConv2D(3, use_bias=False)
    theirs.build((None, 13, 13, 7))
    theirs.kernel.assign(np.transpose(np.asarray(ours.kernel), (0, 1, 3, 2)))
    images = np.random.default_rng(0).normal(size=(2, 13, 13, 7)).astype(np.float32)
    assert np.allclose(ours(images), theirs(images), atol=1e-6)
    another = architectures.build("fast_separable", seed=3, precision="float32")
    for one, other in zip(model.layers, another.layers, strict=True):
        assert not hasattr(one, "kernel") or not np.allclose(one.kernel, other.kernel), "each seed draws each kernel"
    sides, widths = (11, 9, 7, 5), (7, 10, 10, 11, 12)
    macs = (
        26 * 26 * 63
        + 120
        + sum(
            side * side * (9 * read + read * made)
            for side, read, made in zip(sides, widths[:-1], widths[1:], strict=True)
        )
    )
    assert architectures.size(model).flops == 2 * macs


def test_flops_of_the_deep_published_network():
    # multiply-adds: 26x26 positions of the first convolution, 11x11 and 9x9 of the others, then the dense layers
    macs = 26 * 26 * 288 + 11 * 11 * 18_432 + 9 * 9 * 36_864 + 102_400 + 1_000
    assert architectures.size(architectures.build("nf264_deep")).flops == 2 * macs


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_every_architecture_gives_finite_float32_logits(name):
    logits = architectures.build(name)(np.random.default_rng(0).random((3, 28, 28, 1), np.float32))
    assert tuple(logits.shape) == (3, 10)
    values = keras.ops.convert_to_numpy(logits)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


def test_the_small_network_is_the_final_one_with_its_filters_and_keeps_the_mean_where_asked():
    like_e = architectures.build("fast_small", {"filters": [32, 32, 64, 64, 128]})
    assert architectures.describe(like_e).replace("fast_small", "fast_e") == architectures.describe(
        architectures.build("fast_e")
    )
    kinds = [type(architectures.build("fast_small", {"head": head}).layers[-2]).__name__ for head in ("max", "mean")]
    assert kinds == ["GlobalMaxPooling2D", "GlobalAveragePooling2D"]
    with pytest.raises(ValueError, match="head: got 'sum'; max and mean are allowed"):
        architectures.build("fast_small", {"head": "sum"})


def test_weights_depend_on_the_seed_and_nothing_else():
    first = architectures.build("fast_b", seed=3).get_weights()
    architectures.build("mlp", seed=9)
    again, other = (
        architectures.build("fast_b", seed=3).get_weights(),
        architectures.build("fast_b", seed=4).get_weights(),
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_layers_do_not_share_a_draw():
    kernels = [w for w in architectures.build("mlp", {"units": (784, 784)}).get_weights() if w.ndim == 2]
    assert abs(np.corrcoef(kernels[0].ravel(), kernels[1].ravel())[0, 1]) < 0.05


def test_description_is_the_same_for_two_builds_and_differs_by_option():
    a, b = (architectures.describe(architectures.build("recog", {"dropout": 0.2})) for _ in range(2))
    assert a == b
    assert a != architectures.describe(architectures.build("recog", {"dropout": 0.3}))


def test_unknown_names_and_options_are_refused():
    with pytest.raises(ValueError, match=r"got 'lenet'.*nf264_deep"):
        architectures.build("lenet")
    with pytest.raises(ValueError, match=r"options of model 'hdr_cnn'.*depth"):
        architectures.build("hdr_cnn", {"depth": 3})
    with pytest.raises(ValueError, match=r"precision.*float32"):
        architectures.build("mlp", precision="float8")


def test_the_policy_of_others_is_left_alone():
    before = keras.config.dtype_policy().name
    architectures.build("mlp", precision="mixed_bfloat16")
    assert keras.config.dtype_policy().name == before


def test_space_to_depth_keeps_every_pixel():
    images = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 6, 1)
    folded = keras.ops.convert_to_numpy(layers.SpaceToDepth()(images))
    assert folded.shape == (2, 2, 3, 4)
    assert folded[1, 1, 2].tolist() == images[1, 2:4, 4:6, 0].ravel().tolist()


def test_fused_batch_normalization_agrees_with_keras_and_with_the_plain_formula():
    rng = np.random.default_rng(1)
    inputs = rng.normal(3, 2, (64, 5, 5, 4)).astype(np.float32)
    ours = layers.FusedBatchNormalization(momentum=0.9, epsilon=1e-3, dtype="float32")
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3, dtype="float32")
    convert = keras.ops.convert_to_numpy
    np.testing.assert_allclose(convert(ours(inputs, training=True)), convert(theirs(inputs, training=True)), atol=1e-4)
    np.testing.assert_allclose(convert(ours.moving_mean), convert(theirs.moving_mean), rtol=1e-4)
    # ours estimates the population variance: n / (n - 1) of the batch's
    batch = inputs.reshape(-1, 4).var(axis=0, ddof=1)
    np.testing.assert_allclose(convert(ours.moving_variance), 0.9 + 0.1 * batch, rtol=1e-4)
    fused, mean, variance = ours._fused(inputs, True)
    plain, mean_p, variance_p = ours._plain(inputs, True)
    for a, b in ((fused, plain), (mean, mean_p), (variance, variance_p)):
        np.testing.assert_allclose(convert(a), convert(b), atol=2e-4)
    np.testing.assert_allclose(
        convert(ours._fused(inputs, False)[0]), convert(ours._plain(inputs, False)[0]), atol=1e-4
    )
