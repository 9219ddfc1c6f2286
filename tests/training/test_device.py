"""The precision of a run, and processes that work together."""

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
from ser_brain.training.device import MKL, ONEDNN


@pytest.mark.parametrize(
    "asked, fast, units, expected, why",
    [
        ({}, "bf16", False, "fp32", "the default; this device has no bf16 units"),
        ({}, "fp32", True, "fp32", "set by fast_precision, though this device has bf16 units"),
        ({}, "bf16", True, "bf16", "set by fast_precision, as this device has bf16 units"),
        ({"precision": "bf16"}, "fp32", True, "bf16", "as given"),
        (
            {"precision": "bf16"},
            "bf16",
            False,
            "bf16",
            "slow here: emulated, without bf16 units",
        ),
        ({"precision": "fp32"}, "bf16", True, "fp32", "as given"),
    ],
)
def test_the_precision_is_chosen_and_explained(monkeypatch, asked, fast, units, expected, why):
    monkeypatch.setattr(device, "has_bf16", lambda _: units)
    chosen, found = device.choose_precision(RunOptions.from_dictionary(asked), fast, "cpu")
    assert (chosen.precision, chosen.eval_precision, found) == (expected, "fp32", why)
    assert sb.Brain(run_opts=chosen).precision == expected


@pytest.mark.parametrize("key", ["precision", "eval_precision"])
def test_float16_on_a_cpu(key):
    with pytest.raises(SERError, match="fp16 needs a GPU; a CPU computes in fp32 or bf16"):
        device.set_up(RunOptions.from_dictionary({key: "fp16", "device": "cpu"}), "fp32")


@pytest.fixture
def products():
    """Restores what multiplies float32."""
    switch = torch.backends.mkldnn.matmul
    before, switch.fp32_precision = switch.fp32_precision, MKL
    yield lambda: switch.fp32_precision
    switch.fp32_precision = before


@pytest.mark.parametrize(
    "name, width, where, chosen",
    [
        ("AMD EPYC 9B14", "AVX512", "cpu", ONEDNN),
        ("AMD EPYC 9B14", "AVX512", "cuda:0", MKL),
        ("AMD EPYC", "AVX2", "cpu", MKL),
        ("Intel(R) Xeon(R) Platinum 8481C", "AVX512", "cpu", MKL),
    ],
)
def test_onednn_multiplies_on_wide_amd_processors(
    monkeypatch, products, name, width, where, chosen
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": name})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: width)
    monkeypatch.setattr(device, "_is_exact_in_onednn", lambda: True)
    device.use_fast_products(where)
    assert products() == chosen


def test_a_product_that_is_rounded_stays_with_mkl(monkeypatch, products):
    """As on a processor on which oneDNN would round to bfloat16."""
    exact = torch.Tensor.__matmul__

    def rounded(left, right):
        if products() == ONEDNN:
            left, right = left.bfloat16().float(), right.bfloat16().float()
        return exact(left, right)

    monkeypatch.setattr(device, "_is_wide_amd", lambda: True)
    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    device.use_fast_products("cpu")
    assert products() == MKL


def test_continuing_in_another_precision_is_a_warning(caplog):
    device.warn_of_change("fp32", "fp32")
    assert not caplog.records
    device.warn_of_change("fp32", "bf16")
    assert (
        "trained in fp32; the next ones will be in bf16. Give --precision=fp32" in caplog.text
    )


def test_the_processors_that_a_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 7}, raising=False)
    assert device.available_cpus() == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS, Windows
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert device.available_cpus() == 1


PROCESS = """
import os
from speechbrain.utils.run_opts import RunOptions
from ser_brain.training import device
device.init_process_group(RunOptions(distributed_backend="gloo"))
print(device.gather([device.rank()]), flush=True)
os._exit(0)  # as if killed: its address stays in the store
"""


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


def test_restarted_processes_do_not_wait_for_those_before():
    agents = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for restarts in (0, 1):
        processes = start(agents.port, restarts)
        try:
            said = [process.communicate(timeout=120)[0].strip() for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert said == ["[0, 1]", "[0, 1]"]


def test_a_single_process(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    device.init_process_group(RunOptions())
    assert (device.rank(), device.world_size(), device.gather([7])) == (0, 1, [7])
