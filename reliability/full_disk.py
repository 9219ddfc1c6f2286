"""Run every command on a disk that is too small, then enlarge the disk and run it again.

    sudo python -m reliability.full_disk [JOB ...]     mounts a tmpfs: Linux, as root

The disk grows in steps until the command fits. Before that, the command must end with code 2
and one line that names the disk or the file, never with a traceback, and no file may be
damaged. When it fits, it must leave the same files as on a large disk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from reliability import children
from reliability.jobs import JOBS, get_ready, make_home
from reliability.kill import run_in_peace

STEPS = 8
PAGE = 4096  # bytes; a tmpfs has no smaller files


def main() -> int:
    """Try every job; the exit code is 1 if anything was wrong."""
    torch.set_num_threads(1)
    get_ready()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="full-") as folder:
        home = Path(folder) / "home"
        end = children.run(lambda: make_home(home) or 0, Path(folder) / "home.txt")
        if end.code:
            sys.exit(end.said)
        for name in sys.argv[1:] or JOBS:
            wrong += _job(name, home)
    return int(wrong > 0)


def _job(name: str, home: Path) -> int:
    job, place, log = JOBS[name], home.parent / "place", home.parent / "place.txt"
    run_in_peace(job, home, place)
    expected = job.result(place)
    needed = sum(-(-path.stat().st_size // PAGE) * PAGE for path in place.rglob("*"))
    shutil.rmtree(place)
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={PAGE}", "tmpfs", place], check=True)
    full = wrong = 0
    try:
        subprocess.run(["mount", "-o", f"remount,size={2 * needed}", place], check=True)
        job.begin(home, place)
        used = shutil.disk_usage(place).used
        # A training asks for much more than it ends with.
        for share in [n / STEPS for n in range(STEPS)] + [1, 2, 4, 8, 16]:
            size = max(used + PAGE, int(needed * share))
            subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)
            end = children.run(lambda: job.command(home, place), log)
            job.require_whole(place)
            if end.code == 0:
                break
            full += 1
            if end.code != 2 or "Traceback" in end.said:
                wrong += 1
                print(f"{name}, {size} bytes: ended with {end.code}\n{end.said}", flush=True)
            used = shutil.disk_usage(place).used
        if end.code or job.result(place) != expected:
            wrong += 1
            print(f"{name}: with room it ended with {end.code}\n{end.said}", flush=True)
    finally:
        subprocess.run(["umount", place], check=True)
    print(f"{name}: full {full} times, {wrong} wrong", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
