"""The store on disk: what a kill at any moment leaves behind is read as far as it is sound."""

import numpy as np
import pytest

from helpers.runtime import run_store


@pytest.fixture
def entry(tmp_path):
    """An entry as it is between writing the state after epoch 12 and dropping those after 9 and 11."""
    entry = run_store.Entry(tmp_path, "a" * 32)
    for epoch in (9, 11, 12):
        data = run_store.to_npz({"epoch": np.array(epoch)})
        run_store.write(entry.directory / f"epoch-{epoch:05d}-{run_store.digest(data)}.npz", data)
    (entry.directory / ".epoch-00013.part").write_bytes(b"half a file")
    return entry


def test_the_newest_sound_state_is_gone_on_from(entry):
    """The latest that is whole; what is damaged is removed, and so is what was never finished."""
    for left, epoch in ((3, 12), (2, 11), (1, 9)):
        found, arrays = run_store.load_checkpoint(entry)
        assert (found, int(arrays["epoch"])) == (epoch, epoch)
        paths = sorted(path.name for path in entry.directory.iterdir())
        assert [name[:7] for name in paths] == ["epoch-0"] * left
        newest = entry.directory / paths[-1]
        newest.write_bytes(newest.read_bytes()[:-1])
    assert run_store.load_checkpoint(entry) is None
    assert not list(entry.directory.iterdir())


def test_a_new_state_takes_the_place_of_all_before(entry):
    run_store.save_checkpoint(entry, 13, {"epoch": np.array(13)})
    assert run_store.load_checkpoint(entry)[0] == 13
    assert len(list(entry.directory.iterdir())) == 1


def test_the_size_of_a_store_counts_finished_runs_and_all_bytes(entry):
    run_store.save_record(run_store.Entry(entry.root, "b" * 32), {"x": 1})
    held = [path for path in entry.root.rglob("*") if path.is_file()]
    assert run_store.store_size(entry.root) == (1, sum(len(path.read_bytes()) for path in held))
    assert run_store.store_size(entry.root / "nowhere") == (0, 0)
