"""What precision runs, and why."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import speechbrain as sb
import torch
from speechbrain.utils.run_opts import RunOptions

from ser_brain.core.errors import SERError
from ser_brain.training import device
from ser_brain.training import device as computing

FASTER = "fast_precision, though this device has bf16 units"


@pytest.mark.parametrize(
    "asked, fast, units, expected",
    [
        ({}, "bf16", False, ("fp32", "the default; this device has no bf16 units")),
        ({}, "fp32", True, ("fp32", FASTER)),
        ({}, "bf16", True, ("bf16", "fast_precision, as this device has bf16 units")),
        ({"precision": "bf16"}, "fp32", True, ("bf16", "as asked for")),
        (
            {"precision": "bf16"},
            "bf16",
            False,
            ("bf16", "slow here: emulated, without bf16 units"),
        ),
        ({"precision": "fp32"}, "bf16", True, ("fp32", "as asked for")),
    ],
)
def test_the_precision_is_chosen_and_said(monkeypatch, asked, fast, units, expected):
    monkeypatch.setattr(computing, "has_bf16", lambda device: units)
    chosen, why = computing.choose_precision(RunOptions.from_dictionary(asked), fast, "cpu")
    assert (chosen.precision, why) == expected
    assert chosen.eval_precision == "fp32"
    brain = sb.Brain(run_opts=chosen)
    assert brain.precision == expected[0]


@pytest.mark.parametrize("key", ["precision", "eval_precision"])
def test_float16_on_a_cpu(key):
    with pytest.raises(SERError, match="fp16 needs a GPU; a CPU computes in fp32 or bf16"):
        computing.set_up(RunOptions.from_dictionary({key: "fp16", "device": "cpu"}), "fp32")


@pytest.fixture
def products():
    """Puts back what float32 products are computed by."""
    switch = torch.backends.mkldnn.matmul
    before, switch.fp32_precision = switch.fp32_precision, computing.MKL
    yield lambda: switch.fp32_precision
    switch.fp32_precision = before


@pytest.mark.parametrize(
    "name, width, chosen",
    [
        ("AMD EPYC 9B14", "AVX512", computing.ONEDNN),
        ("AMD EPYC", "AVX2", computing.MKL),
        ("Intel(R) Xeon(R) Platinum 8481C", "AVX512", computing.MKL),
        ("", "AVX512", computing.MKL),
    ],
)
def test_onednn_multiplies_on_wide_amd_processors(monkeypatch, products, name, width, chosen):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": name})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: width)
    monkeypatch.setattr(computing, "_is_exact_in_onednn", lambda: True)
    computing.use_fast_products("cpu")
    assert products() == chosen


def test_a_product_that_is_rounded_stays_with_mkl(monkeypatch, products):
    """As of a processor on which oneDNN would round to bfloat16."""
    exact = torch.Tensor.__matmul__

    def rounded(left, right):
        if products() == computing.ONEDNN:
            left, right = left.bfloat16().float(), right.bfloat16().float()
        return exact(left, right)

    monkeypatch.setattr(computing, "_is_wide_amd", lambda: True)
    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    computing.use_fast_products("cpu")
    assert products() == computing.MKL


def test_a_gpu_computes_as_it_did(monkeypatch, products):
    monkeypatch.setattr(computing, "_is_wide_amd", lambda: True)
    computing.use_fast_products("cuda:0")
    assert products() == computing.MKL


@pytest.mark.parametrize("now, said", [("fp32", False), ("bf16", True)])
def test_going_on_in_another_precision_is_said(caplog, now, said):
    computing.warn_of_change("fp32", now)
    assert (
        "trained in fp32, those to come will be in bf16; --precision=fp32" in caplog.text
    ) is said


PROCESS = """
import os
from speechbrain.utils.run_opts import RunOptions
from ser_brain import ranks
ranks.join(RunOptions(distributed_backend="gloo"))
print(ranks.gather([ranks.rank()]), flush=True)
os._exit(0)  # as one that is killed: it takes its address from no store
"""
WAIT_S = 60


def start(port: int, restarts: int) -> list[subprocess.Popen]:
    """Two processes as torchrun starts them, after so many restarts."""
    variables = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": str(restarts),
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            env={**os.environ, **variables, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]


def test_processes_that_were_started_again_do_not_wait_for_those_before():
    agents = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for restarts in (0, 1, 2):
        processes = start(agents.port, restarts)
        try:
            said = [process.communicate(timeout=WAIT_S)[0].strip() for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert said == ["[0, 1]", "[0, 1]"]


def test_a_process_alone_meets_nobody(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    device.join(RunOptions())
    assert (device.rank(), device.count(), device.gather([7])) == (0, 1, [7])
