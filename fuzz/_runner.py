"""Runs one target in this process: each case has a time limit, all together have 2 GB.

``python -m fuzz`` starts it and survives its death. Findings go to standard output as JSON.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import logging
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from fuzz._mutations import mutated
from ser_brain.core.errors import SERError

CASE_S = 20  # of a processor: a case that takes longer hangs
WAIT_S = 300  # a case that waits for so long waits for ever
MEMORY = 2 << 30  # bytes, above what the process maps once everything is imported
GENERATED_SHARE = 0.2
MOST_FINDS = 10
HOME = Path(__file__).parent


class Hang(BaseException):
    """A case took too long. No Exception, since the code under test might catch it."""


class TargetRun:
    """The cases of one target and their outcomes.

    ``folder`` holds the files of the current case, also after the process has died of it.
    """

    def __init__(self, name: str, seed: int, folder: Path):
        self.name, self.seed, self.folder = name, seed, folder
        self.target: ModuleType = importlib.import_module(f"fuzz.{name}")
        self.results = self.refused = self.failed = 0
        self.slowest_s = 0.0
        self.finds: dict[str, str] = {}

    def mutations(self, count: int) -> None:
        """Try damaged copies of the valid cases."""
        mutate = getattr(self.target, "mutated", mutated)
        sound = self.target.valid()
        for number in range(count):
            rng = random.Random(f"{self.name}-{self.seed}-{number}")
            case = mutate(rng.choice(sound), rng)
            try:
                self.try_case(case)
            except (Exception, Hang) as error:
                self.keep(error, str(number))
            if len(self.finds) == MOST_FINDS:
                return

    def generated(self, count: int) -> None:
        """Try cases of the target's hypothesis strategy, which shrinks its findings."""
        forget_lazy_modules()
        from hypothesis import HealthCheck, Phase, given, seed, settings

        @seed(self.seed)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(self.target.generated())
        def try_each(case: Mapping[str, bytes]) -> None:
            self.try_case(case)

        try:
            try_each()
        except (Exception, Hang) as error:
            self.keep(error, "generated")

    def try_case(self, case: Mapping[str, bytes]) -> None:
        """Lay out a case and try it; raises what is neither a result nor a refusal."""
        lay_out(case, self.folder)
        began = time.monotonic()
        try:
            with limited():
                self.target.try_case(self.folder)
            self.results += 1
        except SERError as error:
            str(error).encode("utf-8", "surrogatepass")
            self.refused += 1
        except (Exception, Hang):
            self.failed += 1
            raise
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def keep(self, error: BaseException, case: str) -> None:
        """Keep the files of the first case of a kind, with its outcome."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [
            frame
            for frame in frames
            if "/ser_brain/" in frame.filename or "/data_prep/" in frame.filename
        ] or frames
        kind = f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
        if kind in self.finds:
            return
        kept = keep_files(self.folder, f"{self.name}-{self.seed}-{case}")
        (kept / "traceback.txt").write_text(
            "".join(traceback.format_exception(error)), errors="backslashreplace"
        )
        self.finds[kind] = str(kept)

    def facts(self, seconds: float) -> dict:
        """A row of the table."""
        return {
            "target": self.name,
            "seed": self.seed,
            "cases": self.results + self.refused + self.failed,
            "results": self.results,
            "refused": self.refused,
            "seconds": round(seconds, 1),
            "slowest_s": round(self.slowest_s, 2),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "finds": self.finds,
        }


def lay_out(case: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a case into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in case.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def keep_files(folder: Path, name: str) -> Path:
    """Copy the files of a case, for ``--again``."""
    kept = HOME / "failures" / name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept, symlinks=True)
    return kept


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Raise :class:`Hang` after CASE_S; end the process after WAIT_S."""

    def stop(*_: object) -> None:
        raise Hang(f"over {CASE_S} s")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CASE_S)
    faulthandler.dump_traceback_later(WAIT_S, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()


def forget_lazy_modules() -> None:
    """Hide SpeechBrain's lazy modules from hypothesis, which inspects every module.

    Inspecting one imports its target, which may not be installed.
    """
    for name, module in list(sys.modules.items()):
        if type(module).__module__ == "speechbrain.utils.importutils":
            del sys.modules[name]


def limit_memory() -> None:
    """Limit the process to MEMORY more than it uses now."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))


def main(name: str, seed: str, cases: str, folder: str) -> None:
    """Try the valid cases of a target, then damaged ones, then generated ones."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    began = time.monotonic()
    run = TargetRun(name, int(seed), Path(folder))
    for case in run.target.valid():
        run.try_case(case)
    if run.refused:
        raise SystemExit(f"{name}: a case of valid() is refused; the target tests nothing.")
    limit_memory()
    has_strategy = hasattr(run.target, "generated")
    by_hypothesis = round(int(cases) * GENERATED_SHARE) if has_strategy else 0
    run.mutations(int(cases) - by_hypothesis)
    if by_hypothesis:
        run.generated(by_hypothesis)
    print(json.dumps(run.facts(time.monotonic() - began)))


if __name__ == "__main__":
    main(*sys.argv[1:])
