"""Memory that a training step frees is kept for the next one."""

from __future__ import annotations

import ctypes

# Of glibc's mallopt, in malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
LARGEST = 2**31 - 1
GROWTH = 2**28  # bytes that the heap grows by


def keep_freed_memory() -> bool:
    """Tell glibc not to hand freed memory back to the system.

    A training step on a CPU frees hundreds of tensors of many megabytes. glibc gives each of
    them back, so that the next step waits for the kernel to map and zero it again: an eighth of
    the time. The peak rises by 1 % (docs/performance.md).

    Returns
    -------
    bool
        Whether the C library is one that can be told.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: LARGEST, M_TOP_PAD: GROWTH}
    return all([mallopt(option, value) for option, value in options.items()])
