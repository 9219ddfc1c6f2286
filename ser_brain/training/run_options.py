"""SpeechBrain's run options: which there are, which are refused, which a run records.

docs/run_options.md lists them all. Nothing here imports torch before options are checked, so
that ``--help`` appears at once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ser_brain.core.errors import SERError, bad_value

if TYPE_CHECKING:
    from speechbrain.utils.run_opts import RunOptions

# Options that --help shows, with their help text.
HELP: Mapping[str, str] = {
    "device": "where to compute: cpu, cuda or cuda:1 (default: a GPU if there is one)",
    "precision": "of training: fp32, bf16, or fp16 on a GPU (default: see fast_precision)",
    "eval_precision": "of validation and test: fp32, bf16 or fp16 (default: fp32)",
    "max_grad_norm": "clip gradients to this norm; below 0, do not clip (default: 5.0)",
    "grad_accumulation_factor": "batches for each optimiser step (default: 1)",
    "compile": "compile the modules with torch.compile",
    "test_only": "do not train; test the existing checkpoint",
    "noprogressbar": "show no progress bars on a terminal",
    "distributed_backend": "nccl for GPUs, gloo for CPUs; with torchrun (default: nccl)",
    "find_unused_parameters": "with torchrun, allow steps that do not use all weights",
}

# Options that do nothing here, or not what a user expects, and what to do instead.
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("debug", "debug_batches", "debug_epochs", "debug_persistently"),
        "it would report results of a few batches as if they were those of the test sets. For "
        "a trial run give --number_of_epochs=1 and another --output_folder",
    ),
    "optimizer_step_limit": "a run ends with an epoch; give --number_of_epochs",
    **dict.fromkeys(
        ("ckpt_interval_minutes", "ckpt_interval_steps"),
        "a checkpoint is written after every epoch and at no other time",
    ),
    **dict.fromkeys(
        ("skip_nonfinite_grads", "nonfinite_patience"),
        "--nonfinite_batches=skip skips such batches and counts them",
    ),
    "auto_mix_prec": "give --precision=fp16",
    "bfloat16_mix_prec": "give --precision=bf16",
    "data_parallel_backend": "start one process for each GPU: torchrun --nproc_per_node=N",
    **dict.fromkeys(
        ("jit", "jit_module_keys"), "TorchScript cannot compile the models; try --compile"
    ),
    "remove_vector_weight_decay": "the settings encoder_optimizer and heads_optimizer create "
    "the optimisers",
    **dict.fromkeys(
        ("profile_training", "profile_warmup", "profile_steps"),
        "it ends the run in the middle of an epoch; use a profiler that attaches from outside, "
        "such as py-spy",
    ),
    "log_config": "the log goes to train_log.txt in the run folder",
}
RUN_OPTIONS = (
    *HELP,
    *REFUSED,
    *("compile_mode", "compile_module_keys", "compile_using_dynamic_shape_tracing"),
    *("compile_using_fullgraph", "tqdm_colored_bar"),
)

# Options without a value: the word after one is not its value.
FLAGS = (
    *("auto_mix_prec", "bfloat16_mix_prec", "compile", "compile_using_fullgraph"),
    *("compile_using_dynamic_shape_tracing", "data_parallel_backend", "debug"),
    *("debug_persistently", "find_unused_parameters", "jit", "noprogressbar"),
    *("profile_training", "remove_vector_weight_decay", "skip_nonfinite_grads"),
    *("test_only", "tqdm_colored_bar"),
)

# Options that run.json and checkpoints record; ser_brain.training.run.KEPT_OPTIONS may not
# change when a run is continued.
RECORDED = (
    *("device", "precision", "eval_precision", "compile", "max_grad_norm"),
    "grad_accumulation_factor",
)


def require_options(run_options: RunOptions) -> None:
    """Check the run options of a command line.

    Raises
    ------
    SERError
        For the first that is not supported, has no effect, or has a bad value.
    """
    import torch

    given = run_options.overridden_args
    for name in sorted(given & REFUSED.keys()):
        raise SERError(f"--{name} is not supported: {REFUSED[name]}.")
    for name in sorted(given):
        if name.startswith("compile_") and not run_options.compile:
            raise SERError(f"--{name} has no effect without --compile.")
    closed = {
        "compile_mode": ("default", "reduce-overhead", "max-autotune"),
        "distributed_backend": ("nccl", "gloo", "mpi"),
    }
    for name, values in closed.items():
        if getattr(run_options, name) not in values:
            raise bad_value(name, getattr(run_options, name), values)
    backend = run_options.distributed_backend
    if "RANK" in os.environ and not torch.distributed.is_backend_available(backend):
        raise SERError(
            f"--distributed_backend={backend} is not part of this PyTorch; gloo is for CPUs, "
            "nccl for GPUs."
        )
    if run_options.grad_accumulation_factor < 1:
        raise SERError(
            f"Bad grad_accumulation_factor {run_options.grad_accumulation_factor}; expected a "
            "whole number, at least 1."
        )
    if math.isnan(run_options.max_grad_norm) or run_options.max_grad_norm == 0:
        raise SERError(
            f"Bad max_grad_norm {run_options.max_grad_norm:g}; expected a number above 0, or "
            "one below 0 for no clipping."
        )


def options_of(source: object) -> dict:
    """The options that a run records, from a RunOptions or a Brain."""
    found = {name: getattr(source, name) for name in RECORDED}
    if not 0 < found["max_grad_norm"] < math.inf:
        found["max_grad_norm"] = None  # nothing is clipped
    return found
