"""What precision runs, and why."""

import pytest
from speechbrain.utils.run_opts import RunOptions

from ser_brain import computing
from ser_brain.errors import SERError


@pytest.mark.parametrize(
    "asked, units, expected",
    [
        (
            {},
            False,
            "evaluation fp32 (the default; this device has no bf16 units)",
        ),
        ({}, True, "fp32 (the default; --precision=bf16 is faster on this device)"),
        ({"precision": "bf16"}, True, "training bf16, evaluation fp32 (as asked for)"),
        ({"precision": "bf16"}, False, "(slow here: emulated, without bf16 units)"),
        ({"precision": "fp32"}, True, "training fp32, evaluation fp32 (as asked for)"),
    ],
)
def test_the_precision_is_said(monkeypatch, asked, units, expected):
    monkeypatch.setattr(computing, "has_bf16", lambda device: units)
    said = computing.describe_precision(RunOptions.from_dictionary(asked), "cpu")
    assert said.startswith("precision: ") and expected in said


@pytest.mark.parametrize("key", ["precision", "eval_precision"])
def test_float16_on_a_cpu(key):
    with pytest.raises(SERError, match="fp16 needs a GPU; a CPU computes in fp32 or bf16"):
        computing.set_up(RunOptions.from_dictionary({key: "fp16", "device": "cpu"}))
