"""How a run computes: its device, its precision and why."""

from __future__ import annotations

import math
import os
from dataclasses import replace

import torch
from speechbrain.utils.distributed import ddp_init_group, if_main_process, infer_device
from speechbrain.utils.run_opts import RunOptions
from torch.distributed.elastic.utils.distributed import get_free_port

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger

logger = get_logger(__name__)
PRECISIONS = ("fp32", "bf16")

# Rows, inner and outer size of the product that oneDNN is tried on, and how much larger its
# error may be than MKL's: rounding to bfloat16 makes it a thousand times as large.
TRIAL = (256, 768, 768)
AS_EXACT = 3.0
MKL, ONEDNN = "none", "bf16"  # values of PyTorch's switch
BACKENDS = ("nccl", "gloo", "mpi")
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune")

# SpeechBrain's options that a run records; of these, run_folder.KEPT_OPTIONS may not change.
RECORDED = (
    "device",
    "precision",
    "eval_precision",
    "compile",
    "max_grad_norm",
    "grad_accumulation_factor",
)

# SpeechBrain's options that do nothing here, or something else than a user expects, and what
# to do instead. docs/run_options.md lists them all.
REFUSED = {
    **dict.fromkeys(
        ("debug", "debug_batches", "debug_epochs", "debug_persistently"),
        "it would report on a few batches as if they were the test sets. Try a run out with "
        "--number_of_epochs=1 and an --output_folder of its own",
    ),
    "optimizer_step_limit": "a run ends with an epoch; give --number_of_epochs",
    **dict.fromkeys(
        ("ckpt_interval_minutes", "ckpt_interval_steps"),
        "a checkpoint is written after every epoch, and only then",
    ),
    **dict.fromkeys(
        ("skip_nonfinite_grads", "nonfinite_patience"),
        "--nonfinite_batches=skip leaves such batches out and counts them",
    ),
    "auto_mix_prec": "give --precision=fp16",
    "bfloat16_mix_prec": "give --precision=bf16",
    "data_parallel_backend": "start one process for each GPU: torchrun --nproc_per_node=N",
    **dict.fromkeys(
        ("jit", "jit_module_keys"), "TorchScript cannot compile the models; try --compile"
    ),
    "remove_vector_weight_decay": "the settings encoder_optimizer and heads_optimizer make the "
    "optimisers",
    **dict.fromkeys(
        ("profile_training", "profile_warmup", "profile_steps"),
        "it ends the run in the middle of an epoch; use a profiler that attaches from outside, "
        "such as py-spy",
    ),
    "log_config": "the log goes to train_log.txt in the run folder",
}


def require_options(run_options: RunOptions) -> None:
    """Check SpeechBrain's options of a command line.

    Raises
    ------
    SERError
        For the first that is not supported, has no effect, or has a bad value.
    """
    given = run_options.overridden_args
    for name in sorted(given & REFUSED.keys()):
        raise SERError(f"--{name} is not supported: {REFUSED[name]}.")
    for name in sorted(given):
        if name.startswith("compile_") and not run_options.compile:
            raise SERError(f"--{name} does nothing without --compile.")
    if run_options.compile_mode not in COMPILE_MODES:
        raise bad_value("compile_mode", run_options.compile_mode, COMPILE_MODES)
    backend = run_options.distributed_backend
    if backend not in BACKENDS:
        raise bad_value("distributed_backend", backend, BACKENDS)
    if "RANK" in os.environ and not torch.distributed.is_backend_available(backend):
        raise SERError(
            f"--distributed_backend={backend} is not part of this PyTorch; gloo is for CPUs, "
            "nccl for GPUs."
        )
    if run_options.grad_accumulation_factor < 1:
        raise SERError(
            f"Bad grad_accumulation_factor {run_options.grad_accumulation_factor}; expected a "
            "whole number from 1."
        )
    if math.isnan(run_options.max_grad_norm) or run_options.max_grad_norm == 0:
        raise SERError(
            f"Bad max_grad_norm {run_options.max_grad_norm:g}; expected a number above 0, or "
            "one below 0 to clip nothing."
        )


def options_of(source: object) -> dict:
    """What a run records of SpeechBrain's options, from RunOptions or a Brain."""
    found = {name: getattr(source, name) for name in RECORDED}
    if not 0 < found["max_grad_norm"] < math.inf:
        found["max_grad_norm"] = None  # nothing is clipped
    return found


def set_up(run_options: RunOptions, fast_precision: str) -> RunOptions:
    """Make ready for training, and say in what precision.

    Parameters
    ----------
    run_options : RunOptions
        SpeechBrain's, from the command line.
    fast_precision : {"fp32", "bf16"}
        Of a training on a device with bf16 units, where the command line names none.

    Returns
    -------
    RunOptions
        With the precision that was chosen.

    Raises
    ------
    SERError
        For float16 on a CPU.
    """
    device = run_options.device or infer_device()
    chosen, why = choose_precision(run_options, fast_precision, device)
    if not chosen.compile:  # torch.compile cannot do with the switch
        use_fast_products(device)
    if if_main_process():
        both = f"training {chosen.precision}, evaluation {chosen.eval_precision}"
        logger.info(f"precision: {both} ({why})")
    return chosen


def choose_precision(
    run_options: RunOptions, fast_precision: str, device: str
) -> tuple[RunOptions, str]:
    """The run's options with their precision, and why it is that one.

    Parameters
    ----------
    run_options, fast_precision
        See :func:`set_up`.
    device : str

    Raises
    ------
    SERError
        For float16 on a CPU.
    """
    if "fp16" in (run_options.precision, run_options.eval_precision) and is_cpu(device):
        raise SERError("--precision=fp16 needs a GPU; a CPU computes in fp32 or bf16.")
    if "precision" in run_options.overridden_args:
        slow = run_options.precision == "bf16" and not has_bf16(device)
        why = "slow here: emulated, without bf16 units" if slow else "as asked for"
        return run_options, why
    if not has_bf16(device):
        return run_options, "the default; this device has no bf16 units"
    if fast_precision == "fp32":
        return run_options, "fast_precision, though this device has bf16 units"
    given = run_options.overridden_args | {"precision"}
    chosen = replace(run_options, precision=fast_precision, overridden_args=given)
    return chosen, "fast_precision, as this device has bf16 units"


def warn_of_change(before: str, now: str) -> None:
    """Say that a run goes on in another precision, as on a device of another kind."""
    if before != now and if_main_process():
        logger.warning(
            f"The epochs so far were trained in {before}, those to come will be in {now}; "
            f"--precision={before} keeps to it."
        )


def has_bf16(device: str) -> bool:
    """Whether a device multiplies bfloat16 in hardware."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu.get_capabilities().get("avx512_bf16", False)


def is_cpu(device: str) -> bool:
    """Whether a device, such as ``cpu`` or ``cuda:0``, is no GPU."""
    return torch.device(device).type == "cpu"


def use_fast_products(device: str) -> None:
    """Have oneDNN multiply float32 where MKL uses half of a processor's width.

    That is on AMD's processors with AVX-512, to which MKL gives kernels of AVX2. PyTorch's
    switch is named for what it permits: oneDNN may round to bfloat16. On these processors it
    does not, which a product is tried on first; if it ever did, MKL would stay.
    """
    if is_cpu(device) and _is_wide_amd() and _is_exact_in_onednn():
        torch.backends.mkldnn.matmul.fp32_precision = ONEDNN


def _is_wide_amd() -> bool:
    name = torch.cpu.get_capabilities().get("cpu_name", "")
    return "AMD" in name and torch.backends.cpu.get_cpu_capability() == "AVX512"


def _is_exact_in_onednn() -> bool:
    """Whether a product of oneDNN's is as close to the exact one as MKL's."""
    rows, inner, outer = TRIAL
    generator = torch.Generator().manual_seed(1)
    left = torch.randn(rows, inner, generator=generator)
    right = torch.randn(inner, outer, generator=generator)
    exact = left.double() @ right.double()
    switch, errors = torch.backends.mkldnn.matmul, {}
    for library in (MKL, ONEDNN):
        switch.fp32_precision = library
        errors[library] = float((left @ right - exact).abs().max())
    switch.fp32_precision = MKL
    return errors[ONEDNN] <= AS_EXACT * errors[MKL]


def join(run_options: RunOptions) -> None:
    """Meet the other processes of the run; does nothing where torchrun has started none.

    torchrun keeps one store for all its restarts, in which PyTorch leaves the addresses of
    processes that have ended, and waits for them (its issue 135712). So processes that were
    started again meet in a store of their own, on this machine.

    Parameters
    ----------
    run_options : RunOptions
        SpeechBrain's, with ``distributed_backend``.
    """
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if restarts != "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        _take_another_store(f"ser_brain/restart-{restarts}/port")
    ddp_init_group(run_options)


def _take_another_store(key: str) -> None:
    """Have rank 0 open one, at a port that stands under a key of torchrun's."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = torch.distributed.TCPStore(address, port, is_master=False)
    if os.environ["RANK"] == "0":
        store.set(key, str(get_free_port()))
    os.environ["MASTER_PORT"] = store.get(key).decode()
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"


def rank() -> int:
    """This process's number, from 0."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def gather(items: list) -> list:
    """The items of all ranks, rank by rank, on every rank; they are pickled on the way."""
    if count() == 1:
        return items
    pieces: list = [None] * count()
    torch.distributed.all_gather_object(pieces, items)
    return [item for piece in pieces for item in piece]


def lost_another(error: RuntimeError) -> bool:
    """Whether an error says that another process of the run is gone."""
    return count() > 1 and (
        isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)
    )
