"""Reading a safetensors file that anybody may have written."""

import json
import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file

from ser_brain.errors import SERError
from ser_brain.inference import weights_file
from ser_brain.inference.weights_file import read_weights

SHAPES = {"head.weight": (2, 3), "head.bias": (2,)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def write(path, **changes):
    tensors = {name: torch.ones(shape) for name, shape in SHAPES.items()}
    tensors.update({name.replace("_", "."): tensor for name, tensor in changes.items()})
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path)


def test_a_file_that_fits(path):
    write(path)
    weights = read_weights(path, SHAPES)
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == SHAPES
    assert weights["head.bias"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"head_bias": None}, "missing: head.bias"),
        ({"more": torch.ones(1)}, "unknown: more"),
        ({"head_bias": torch.ones(3)}, r"of another shape: head.bias \(3,\) instead of \(2,\)"),
        ({"head_bias": torch.ones(2).half()}, "not float32: head.bias"),
        ({"head_bias": torch.tensor([1.0, torch.nan])}, "head.bias holds numbers .* finite"),
        ({"head_bias": torch.tensor([1.0, torch.inf])}, "head.bias holds numbers .* finite"),
    ],
)
def test_one_that_does_not(path, changes, message):
    write(path, **changes)
    with pytest.raises(SERError, match=message):
        read_weights(path, SHAPES)


def test_shapes_are_compared_before_a_tensor_is_read(path, monkeypatch):
    """The header says 4 TB, which nobody makes room for."""
    header = {"head.weight": {"dtype": "F32", "shape": [2**20, 2**20], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    with pytest.raises(SERError, match="damaged or no safetensors file"):
        read_weights(path, SHAPES)


def test_a_model_that_is_too_large_is_refused_before_its_file_is_opened(path):
    with pytest.raises(SERError, match="describes a model of 1.1e\\+12 numbers"):
        read_weights(path, {"w": (2**20, 2**20)})


def test_a_header_of_ten_gigabytes(path):
    path.write_bytes(struct.pack("<Q", 10 * 2**30) + b"{}")
    with pytest.raises(SERError, match="announces a header of 10737418240 bytes"):
        read_weights(path, SHAPES)


def test_a_header_that_just_passes_is_left_to_the_library(path):
    path.write_bytes(struct.pack("<Q", weights_file.LARGEST_HEADER) + b"{}")
    with pytest.raises(SERError, match="damaged or no safetensors file"):
        read_weights(path, SHAPES)


@pytest.mark.parametrize("size", [0, 7, 8, 40, -1])
def test_a_file_that_was_cut(path, size):
    write(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SERError, match="damaged"):
        read_weights(path, SHAPES)


def test_a_pickle_is_not_unpickled(path, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(SERError, match="no safetensors file"):
        read_weights(path, SHAPES)
    assert not (tmp_path / "ran").exists()
