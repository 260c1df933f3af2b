"""One way to write a file: whole or not at all, and a full disk in words."""

import errno
import os

import pytest

from helpers.runtime import files


def rubbish(path):
    return [one.name for one in path.iterdir() if one.name.startswith(".")]


def test_text_and_bytes_are_written_and_replaced_with_the_permissions_of_any_new_file(tmp_path):
    path, beside = tmp_path / "new" / "a.txt", tmp_path / "other"
    files.write_atomically(path, "zwölf")
    beside.write_text("")
    assert path.read_bytes() == "zwölf".encode()
    assert path.stat().st_mode == beside.stat().st_mode
    files.write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert not rubbish(path.parent)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("no"), OSError(errno.EIO, "broken")])
def test_what_fails_midway_leaves_the_old_file_and_no_rubbish(tmp_path, error):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def write():
        with files.replacing(path, "w") as stream:
            stream.write("new")
            raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        write()
    assert path.read_text() == "old"
    assert not rubbish(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_in_words_that_name_the_file(tmp_path, monkeypatch, number):
    def full(_):
        raise OSError(number, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(files.DiskFull, match=r"^the disk is full \(.*a\.txt\); free some space") as caught:
        files.write_atomically(tmp_path / "a.txt", "new")
    assert files.explain(caught.value) == str(caught.value)
    assert not list(tmp_path.iterdir())


def test_another_error_is_about_the_file_and_not_its_scratch_name(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match="directory") as caught:
        files.write_atomically(tmp_path / "a.txt", "new")
    assert (caught.value.filename, caught.value.filename2) == (os.fspath(tmp_path / "a.txt"), None)
