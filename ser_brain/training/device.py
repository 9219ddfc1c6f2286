"""Where and in what precision a run computes, and how its processes work together.

In a distributed run, torchrun starts a process for each GPU; ``rank()`` is the number of this
one, ``world_size()`` how many there are.
"""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path

import torch
from speechbrain.utils.distributed import ddp_init_group, if_main_process, infer_device
from speechbrain.utils.run_opts import RunOptions
from torch.distributed.elastic.utils.distributed import get_free_port

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger

logger = get_logger(__name__)
PRECISIONS = ("fp32", "bf16")
MKL, ONEDNN = "none", "bf16"  # values of PyTorch's switch

# -- devices


def gpus() -> list[str]:
    """List the GPUs of this machine: ``cuda:0`` ..."""
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def require_device(name: str) -> None:
    """Stop if this machine lacks a device.

    Raises
    ------
    SERError
        With the devices that it has.
    """
    there = ", ".join(["cpu", *gpus()])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SERError(f"Bad device {name!r}; this machine has: {there}.") from None
    if device.type not in ("cpu", "cuda"):
        raise SERError(
            f"Bad device {name!r}: only CPUs and CUDA GPUs are supported; this machine has: "
            f"{there}."
        )
    if device.type == "cuda" and (device.index or 0) >= len(gpus()):
        raise SERError(f"No device {name!r}; this machine has: {there}.")


def is_cpu(device: str) -> bool:
    """Whether a device, such as ``cpu`` or ``cuda:0``, is a CPU."""
    return torch.device(device).type == "cpu"


def available_cpus() -> int:
    """Count the processors this process may use, or all of them where that is unknown."""
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name(device: str) -> str:
    """Name the model of the GPU or processor, as its maker does."""
    if not is_cpu(device):
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()  # Linux
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


# -- precision


def set_up(run_options: RunOptions, fast_precision: str) -> RunOptions:
    """Choose the precision of a training, log it, and speed up float32 products.

    Parameters
    ----------
    run_options : RunOptions
        SpeechBrain's, from the command line.
    fast_precision : {"fp32", "bf16"}
        Used on a device with bf16 units where the command line names no precision.

    Raises
    ------
    SERError
        For float16 on a CPU.
    """
    device = run_options.device or infer_device()
    chosen, why = choose_precision(run_options, fast_precision, device)
    if not chosen.compile:  # torch.compile fails with the switch set
        use_fast_products(device)
    if if_main_process():
        both = f"training {chosen.precision}, evaluation {chosen.eval_precision}"
        logger.info(f"precision: {both} ({why})")
    return chosen


def choose_precision(
    run_options: RunOptions, fast_precision: str, device: str
) -> tuple[RunOptions, str]:
    """Complete the run options with a precision, and say why; see :func:`set_up`."""
    if "fp16" in (run_options.precision, run_options.eval_precision) and is_cpu(device):
        raise SERError("--precision=fp16 needs a GPU; a CPU computes in fp32 or bf16.")
    if "precision" in run_options.overridden_args:
        slow = run_options.precision == "bf16" and not has_bf16(device)
        return run_options, "slow here: emulated, without bf16 units" if slow else "as given"
    if not has_bf16(device):
        return run_options, "the default; this device has no bf16 units"
    if fast_precision == "fp32":
        return run_options, "set by fast_precision, though this device has bf16 units"
    given = run_options.overridden_args | {"precision"}
    chosen = replace(run_options, precision=fast_precision, overridden_args=given)
    return chosen, "set by fast_precision, as this device has bf16 units"


def warn_of_change(before: str, now: str) -> None:
    """Warn if a run continues in another precision, for example on another kind of device."""
    if before != now and if_main_process():
        logger.warning(
            f"The epochs so far were trained in {before}; the next ones will be in {now}. Give "
            f"--precision={before} to stay with it."
        )


def has_bf16(device: str) -> bool:
    """Whether a device multiplies bfloat16 in hardware."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return _cpu_facts().get("avx512_bf16", False)


def _cpu_facts() -> dict:
    """What PyTorch knows of the processor: nothing before it could say (2.9)."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def use_fast_products(device: str) -> None:
    """Let oneDNN multiply float32 where MKL uses half of a processor's width.

    That is the case on AMD processors with AVX-512, on which MKL runs its AVX2 kernels.
    PyTorch's switch is named after what it permits: oneDNN may round to bfloat16. On these
    processors it does not. A trial product confirms that; if oneDNN did round, MKL would stay.
    """
    if is_cpu(device) and _is_wide_amd() and _is_exact_in_onednn():
        torch.backends.mkldnn.matmul.fp32_precision = ONEDNN


def _is_wide_amd() -> bool:
    name = _cpu_facts().get("cpu_name", "")
    return "AMD" in name and torch.backends.cpu.get_cpu_capability() == "AVX512"


def _is_exact_in_onednn() -> bool:
    generator = torch.Generator().manual_seed(1)
    left = torch.randn(256, 768, generator=generator)
    right = torch.randn(768, 768, generator=generator)
    exact = left.double() @ right.double()
    switch, errors = torch.backends.mkldnn.matmul, {}
    for library in (MKL, ONEDNN):
        switch.fp32_precision = library
        errors[library] = float((left @ right - exact).abs().max())
    switch.fp32_precision = MKL
    return errors[ONEDNN] <= 3 * errors[MKL]  # rounding to bfloat16 makes it 1000 times larger


# -- processes of a distributed run


def init_process_group(run_options: RunOptions) -> None:
    """Join the other processes of the run; does nothing unless torchrun started them.

    torchrun keeps one store through all its restarts. PyTorch leaves the addresses of ended
    processes there and waits for them (its issue 135712), so restarted processes meet in a
    store of their own, on this machine.
    """
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if restarts != "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        _use_own_store(f"ser_brain/restart-{restarts}/port")
    ddp_init_group(run_options)


def _use_own_store(key: str) -> None:
    """Let rank 0 open a store; the others learn its port from torchrun's, under a key."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = torch.distributed.TCPStore(address, port, is_master=False)
    if os.environ["RANK"] == "0":
        store.set(key, str(get_free_port()))
    os.environ["MASTER_PORT"] = store.get(key).decode()
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"


def rank() -> int:
    """This process's number in the run, from 0."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def world_size() -> int:
    """How many processes the run has."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def gather(items: list) -> list:
    """Concatenate the items of all ranks, on every rank; they are pickled on the way."""
    if world_size() == 1:
        return items
    pieces: list = [None] * world_size()
    torch.distributed.all_gather_object(pieces, items)
    return [item for piece in pieces for item in piece]


def is_lost_process(error: RuntimeError) -> bool:
    """Whether an error means that another process of the run has ended."""
    return world_size() > 1 and (
        isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)
    )
