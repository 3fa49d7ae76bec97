"""The shards: what is written is what is read, and a shard that was not finished does not count."""

import errno
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from workbench import vectors
from workbench.errors import BadInput
from workbench.vectors import DenseVectors, ShardFolder, SparseVectors, csr_arrays


@pytest.fixture
def matrix():
    return np.random.default_rng(0).normal(size=(25, 6)).astype(np.float32)


@pytest.fixture
def folder(tmp_path, matrix):
    store = ShardFolder(tmp_path)
    for number, (start, stop) in enumerate([(0, 10), (10, 20), (20, 25)]):
        store.write(number, {"values": matrix[start:stop]}, stop - start)
    return tmp_path


def test_row_i_is_ordinal_i_across_shards(folder, matrix):
    stored = DenseVectors(folder)
    assert (len(stored), stored.dim, stored.dtype) == (25, 6, np.float32)
    order = np.array([24, 0, 10, 9, 10])
    assert np.array_equal(stored.take(order), matrix[order])
    blocks = list(stored.blocks(size=4))
    assert [start for start, _ in blocks] == [0, 4, 8, 10, 14, 18, 20, 24]
    assert np.array_equal(np.concatenate([block for _, block in blocks]), matrix)


@pytest.mark.parametrize("ordinal", [-1, 25])
def test_an_ordinal_outside_is_an_error_and_never_another_row(folder, ordinal):
    with pytest.raises(IndexError):
        DenseVectors(folder).take(np.array([ordinal]))


def test_a_shard_without_its_note_was_never_finished(folder):
    (folder / "shard-00001.json").unlink()
    assert [shard.number for shard in ShardFolder(folder).finished()] == [0]
    assert len(DenseVectors(folder)) == 10


def test_float16_is_kept_as_it_is(tmp_path, matrix):
    ShardFolder(tmp_path).write(0, {"values": matrix.astype(np.float16)}, 25)
    assert DenseVectors(tmp_path).dtype == np.float16
    assert np.array_equal(DenseVectors(tmp_path).take(np.arange(25)), matrix.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_and_leave_no_shard(tmp_path, matrix, bad):
    matrix[3, 2] = bad
    with pytest.raises(BadInput, match="NaN or infinite values in shard 0"):
        ShardFolder(tmp_path).write(0, {"values": matrix}, 25)
    assert list(tmp_path.iterdir()) == []


def test_shards_of_different_dimension_are_refused(tmp_path, matrix):
    store = ShardFolder(tmp_path)
    store.write(0, {"values": matrix}, 25)
    store.write(1, {"values": matrix[:, :4]}, 25)
    with pytest.raises(BadInput, match="differ in dimension"):
        DenseVectors(tmp_path)


def test_a_full_disk_leaves_no_half_written_file(tmp_path, matrix, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = ShardFolder(tmp_path)
    store.write(0, {"values": matrix}, 25)
    monkeypatch.setattr(vectors.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(1, {"values": matrix}, 25)
    monkeypatch.undo()
    assert [shard.number for shard in store.finished()] == [0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard-00000.json", "shard-00000.values.npy"]


def test_sparse_rows_and_blocks(tmp_path):
    dense = np.random.default_rng(1).poisson(0.4, size=(12, 9)).astype(np.float32)
    store = ShardFolder(tmp_path)
    store.write(0, csr_arrays(sparse.csr_matrix(dense[:7])), 7)
    store.write(1, csr_arrays(sparse.csr_matrix(dense[7:])), 5)
    stored = SparseVectors(tmp_path, dim=9)
    assert (len(stored), stored.dim, stored.nonzeros) == (12, 9, np.count_nonzero(dense))
    for ordinal in range(12):
        assert np.array_equal(stored.row(ordinal).toarray()[0], dense[ordinal])
    assert np.array_equal(sparse.vstack([block for _, block in stored.blocks()]).toarray(), dense)
    with pytest.raises(IndexError):
        stored.row(12)


def test_an_empty_folder_is_empty_vectors(tmp_path):
    assert len(DenseVectors(tmp_path)) == 0
    assert list(DenseVectors(tmp_path).blocks()) == []


def test_no_object_array_is_ever_loaded(tmp_path):
    ShardFolder(tmp_path).write(0, {"values": np.zeros((1, 1), np.float32)}, 1)
    np.save(Path(tmp_path) / "shard-00000.values.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="Python objects"):
        DenseVectors(tmp_path)
