"""Other hands and scanners: each change against an independent computation, bounds, determinism, keys of runs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from test_fit import assert_same_run, make_split, small

from helpers.models import handwriting
from helpers.models.augmentation import Warp
from helpers.models.handwriting import Hand
from helpers.runtime import run_store
from helpers.training import fit, specs

STILL = Hand(rotation=0, zoom=0, shift=0, shear=0, stretch=0, thickness=0, coarse=0, blurred=0, hardened=0, grain=0)
SIZE = (28, 28)


def images(n=6, seed=0):
    rng = np.random.default_rng(seed)
    soft = ndimage.gaussian_filter(rng.uniform(0, 1, (n, 28, 28)), (0, 2, 2))
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    soft *= np.pad(np.ones((20, 20)), 4)  # a margin, as round every digit
    return (soft / soft.max(axis=(1, 2), keepdims=True))[..., None].astype(np.float32)


def changed(hand, pictures, *, seed=0, **columns):
    rows = hand.draw(len(pictures), size=SIZE, rng=np.random.default_rng(seed))
    for column, value in columns.items():
        rows[:, int(column[1:])] = value
    return np.asarray(hand.apply(pictures, rows))[..., 0]


def test_no_change_changes_nothing():
    pictures = images()
    np.testing.assert_allclose(changed(STILL, pictures), pictures[..., 0], atol=1e-6)


def test_thickness_is_dilation_and_erosion():
    pictures = images()
    for value, oracle in ((1.0, ndimage.grey_dilation), (-1.0, ndimage.grey_erosion)):
        expected = np.stack([oracle(picture[..., 0], size=3, mode="nearest") for picture in pictures])
        expected /= expected.max(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(changed(STILL, pictures, c8=value), expected, atol=1e-5)
    half = changed(STILL, pictures, c8=0.5)
    thick = np.stack([ndimage.grey_dilation(p[..., 0], size=3, mode="nearest") for p in pictures])
    middle = (pictures[..., 0] + thick) / 2
    np.testing.assert_allclose(half, middle / middle.max(axis=(1, 2), keepdims=True), atol=1e-5)


def test_a_coarse_grid_averages_blocks_and_interpolates_between_them():
    pictures = images()
    kind = 1 + handwriting.CELLS.index(2.0) * 4  # cells of 2 pixels, in phase with the image
    blocks = pictures[..., 0].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    blocks /= blocks.max(axis=(1, 2), keepdims=True)
    at = (np.arange(28) + 0.5) / 2 - 0.5
    rows = np.stack([[np.interp(at, np.arange(14), line) for line in block] for block in blocks])
    both = np.stack([[np.interp(at, np.arange(14), column) for column in picture.T] for picture in rows])
    expected = both.transpose(0, 2, 1)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(changed(STILL, pictures, c9=kind, c10=kind), expected, atol=1e-5)


def test_every_grid_keeps_an_even_image_even():
    down, up = handwriting.grids(28)
    assert down.shape == up.shape == (1 + len(handwriting.CELLS) * 4 + len(handwriting.BLURS), 28, 28)
    for kind, (there, back) in enumerate(zip(down, up, strict=True)):
        even = back @ there @ np.ones(28)
        np.testing.assert_allclose(even[5:-5], 1, atol=0.01, err_msg=str(kind))


def test_blur_is_gaussian():
    pictures = images()
    kind = 1 + len(handwriting.CELLS) * 4 + handwriting.BLURS.index(1.0)
    ours = changed(STILL, pictures, c9=kind, c10=kind)
    expected = ndimage.gaussian_filter(pictures[..., 0], (0, 1, 1), mode="constant", truncate=8)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_hardening_ends_in_black_and_white():
    pictures = images()
    ours = changed(STILL, pictures, c11=0.4, c12=1e6)
    assert set(np.unique(ours)) <= {0, 1}
    assert np.array_equal(ours == 1, pictures[..., 0] > 0.4)


def test_grain_has_the_strength_that_was_drawn():
    pictures = np.full((40, 28, 28, 1), 0.5, np.float32)
    pictures[:, 0, 0] = 1
    hand = replace(STILL, grain=0.1)
    rows = hand.draw(40, size=SIZE, rng=np.random.default_rng(0))
    ours = np.asarray(hand.apply(pictures, rows))[..., 0]
    np.testing.assert_allclose(ours[:, 1:].std(axis=(1, 2)), rows[:, 14], rtol=0.2, atol=1e-4)
    assert np.mean(rows[:, 14] == 0) == pytest.approx(0.5, abs=0.2)


def test_stretching_makes_wider_and_flatter_about_the_centre():
    rows = replace(STILL, stretch=0.4).draw(2000, size=SIZE, rng=np.random.default_rng(0)).astype(float)
    logarithm = np.log(rows[:, 4] / rows[:, 0])
    assert 0.39 < np.abs(logarithm).max() <= 0.4001
    np.testing.assert_allclose(rows[:, 0] * rows[:, 4], 1, atol=1e-5)
    centre = np.stack([rows[:, 0] * 13.5 + rows[:, 2], rows[:, 4] * 13.5 + rows[:, 5]])
    np.testing.assert_allclose(centre, 13.5, atol=1e-4)


class Furthest:
    """A generator that draws every amount at its upper bound."""

    def uniform(self, low, high, size):
        return np.full(size, float(high))

    def integers(self, low, high, size):
        return np.zeros(size, int)


def test_a_positive_stretch_makes_wider():
    """A round blot comes out exp(0.4) times as wide as high, and as large as before."""
    down, right = np.mgrid[:28, :28] - 13.5
    blot = np.exp(-(right**2 + down**2) / 8).astype(np.float32)
    hand = replace(STILL, stretch=0.4)
    rows = hand.draw(1, size=SIZE, rng=Furthest())
    made = np.asarray(hand.apply(blot[None, ..., None], rows))[0, ..., 0]
    wide, high = (np.sqrt((made * axis**2).sum() / made.sum()) for axis in (right, down))
    assert wide / high == pytest.approx(np.exp(0.4), rel=0.03)
    assert wide * high == pytest.approx(4, rel=0.05)


def test_shares_and_determinism():
    draw = [Hand().draw(4000, size=SIZE, rng=np.random.default_rng(s)) for s in (1, 1, 2)]
    assert np.array_equal(draw[0], draw[1])
    assert not np.array_equal(draw[0], draw[2])
    n_coarse = len(handwriting.CELLS) * 4
    assert np.mean((draw[0][:, 9] > 0) & (draw[0][:, 9] <= n_coarse)) == pytest.approx(Hand().coarse, abs=0.03)
    assert np.mean(draw[0][:, 9] > n_coarse) == pytest.approx(Hand().blurred, abs=0.03)
    assert np.mean(draw[0][:, 12] > 1) == pytest.approx(Hand().hardened, abs=0.03)
    assert np.array_equal(draw[0].astype(np.float32), draw[0])


@pytest.mark.parametrize("bad", [{"stretch": -1}, {"coarse": 0.9, "blurred": 0.2}, {"thickness": float("nan")}])
def test_bad_bounds_are_refused_by_name(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Hand(**bad)


def test_a_warp_is_still_four_numbers_in_a_run_s_identity():
    split = make_split()
    identity = specs.identity(small(split, augmentation=Warp(10, 0.1, 2)))
    assert identity["augmentation"] == {"rotation": 10.0, "zoom": 0.1, "shift": 2.0, "shear": 0.0}
    assert "augmentation" in identity
    json.dumps(identity)
    keys = {fit.key(small(split, augmentation=a)) for a in (None, Warp(), Hand(), Hand(stretch=0.1), STILL)}
    assert len(keys) == 5


def test_training_under_other_hands_resumes_to_the_bit(tmp_path, monkeypatch):
    spec = small(make_split(), augmentation=Hand(), epochs=3)
    undisturbed = fit.run(spec, store=tmp_path / "a")
    save = run_store.save_checkpoint

    def save_then_stop(entry, epoch, arrays):
        save(entry, epoch, arrays)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_store, "save_checkpoint", save_then_stop)
        with pytest.raises(KeyboardInterrupt):
            fit.run(spec, store=tmp_path / "b")
    assert_same_run(undisturbed, fit.run(spec, store=tmp_path / "b"))
