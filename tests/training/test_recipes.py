"""The recipes: passes over few images."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.training import recipes


@pytest.mark.parametrize(("n", "batch", "asked", "passes"), [(55_000, 128, 8, 8), (599, 128, 8, 38), (60, 128, 1, 150)])
def test_few_images_are_passed_over_until_there_are_enough_batches(n, batch, asked, passes):
    found = recipes.passes(asked, SimpleNamespace(train_index=np.arange(n)), batch_size=batch)
    assert found == passes
    assert found == asked or found * max(1, n // batch) >= recipes.ENOUGH > (found - 1) * max(1, n // batch)
