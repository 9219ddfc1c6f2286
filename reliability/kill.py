"""Kill every command at random moments, run it again, and compare with an undisturbed run.

    python -m reliability.kill                    every job, 50 tries with each signal
    python -m reliability.kill train --seed 7     one job, the moments of another seed
    python -m reliability.kill train --seed 7 --only 12     one of its tries again

After each stop, no partial file may look complete, no process that the command started may
survive it, and SIGTERM must end it with code 143 and without a traceback. A third of the second
runs are stopped as well. The last run of a try must end with 0, leave the same files as an
undisturbed run, and remove what the stopped ones left.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

from reliability import children
from reliability.jobs import JOBS, Job, get_ready, make_home
from reliability.results import left_over
from ser_brain.core.errors import SERError
from ser_brain.training.feature_cache import Damaged

SIGNALS = (signal.SIGKILL, signal.SIGTERM)
AGAIN = 1 / 3  # of the runs after a stop are stopped too
ENDS = {signal.SIGKILL: {137}, signal.SIGTERM: {143}}


def main() -> int:
    """Try every job and print how it went; the exit code is 1 if anything was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of: {', '.join(JOBS)}")
    parser.add_argument("--tries", type=int, default=50, help="with each signal")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one try")
    given = parser.parse_args()
    torch.set_num_threads(1)
    get_ready()
    print(f"seed {given.seed}", flush=True)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        home = Path(folder) / "home"
        end = children.run(lambda: make_home(home) or 0, Path(folder) / "home.txt")
        if end.code:
            sys.exit(end.said)
        for name in given.jobs or JOBS:
            wrong += _job(name, home, given)
    return int(wrong > 0)


def _job(name: str, home: Path, given: argparse.Namespace) -> int:
    """Run all tries of a job; returns how many went wrong."""
    job, began = JOBS[name], time.monotonic()
    place = home.parent / "place"
    undisturbed = [run_in_peace(job, home, place) for _ in range(3)]
    expected = job.result(place)
    if undisturbed[-1].code or not expected:
        sys.exit(f"{name} cannot be run:\n{undisturbed[-1].said}")
    longest_s = min(end.seconds for end in undisturbed)  # so that most stops meet a command
    stops, wrong = dict.fromkeys(SIGNALS, 0), 0
    numbers = range(len(SIGNALS) * given.tries) if given.only is None else [given.only]
    for number in numbers:
        try:
            for sent in _try(name, home, number, given.seed, longest_s, expected):
                stops[sent] += 1
        except (ValueError, SERError, Damaged, OSError) as fault:
            wrong += 1
            print(f"{name}, try {number}: {fault}", flush=True)
    said = ", ".join(f"{count} {sent.name}" for sent, count in stops.items())
    print(
        f"{name}: {len(numbers)} tries of up to {longest_s:.2f} s, {said}, {wrong} wrong, "
        f"{time.monotonic() - began:.0f} s",
        flush=True,
    )
    return wrong


def run_in_peace(job: Job, home: Path, place: Path) -> children.End:
    """An undisturbed run in a new folder."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    job.begin(home, place)
    return children.run(lambda: job.command(home, place), place.with_suffix(".txt"))


def _try(
    name: str, home: Path, number: int, seed: int, longest_s: float, expected: dict[str, str]
) -> list[signal.Signals]:
    """One try; returns the signals that hit a running command, and raises what is wrong."""
    job, rng = JOBS[name], random.Random(f"{seed} {name} {number}")
    place, log = home.parent / "place", home.parent / "place.txt"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    job.begin(home, place)
    sent, met = SIGNALS[number % len(SIGNALS)], []
    while True:
        moment = rng.uniform(0, longest_s)
        end = children.run(lambda: job.command(home, place), log, sent, moment)
        if end.code in ENDS[sent]:
            met.append(sent)
        elif end.code != 0:
            raise ValueError(
                f"{sent.name} at {moment:.3f} s: ended with {end.code}\n{end.said}"
            )
        if sent == signal.SIGTERM and "Traceback" in end.said:
            raise ValueError(f"SIGTERM at {moment:.3f} s: a traceback\n{end.said}")
        if not end.is_alone:
            raise ValueError(f"{sent.name} at {moment:.3f} s: its processes outlive it")
        job.require_whole(place)
        if rng.random() >= AGAIN:
            break
    end = children.run(lambda: job.command(home, place), log)
    if end.code:
        raise ValueError(f"after {sent.name} at {moment:.3f} s: no end\n{end.said}")
    job.require_whole(place)
    found = job.result(place)
    wrong = [
        f"other {key}" for key in {**expected, **found} if expected.get(key) != found.get(key)
    ]
    wrong += [f"left {path}" for path in left_over(place)]
    if wrong:
        raise ValueError(f"after {sent.name} at {moment:.3f} s: {', '.join(wrong)}")
    return met


if __name__ == "__main__":
    sys.exit(main())
