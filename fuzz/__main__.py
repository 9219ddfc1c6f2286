"""``python -m fuzz [TARGET ...]`` runs targets; ``TARGET --again FOLDER`` tries a kept case."""

from __future__ import annotations

import argparse
import importlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz._runner import HOME, keep_files, limited
from ser_brain.core.errors import SERError
from ser_brain.core.tables import Table, to_markdown

CASES = 10_000  # a fifth of them made by hypothesis


def targets() -> list[str]:
    """Names of the targets: the files of this folder."""
    return sorted(p.stem for p in HOME.glob("*.py") if not p.stem.startswith("_"))


def run_target(name: str, seed: int, cases: int) -> dict:
    """Run a target in its own process, which may die."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as private:
        folder = Path(private) / "case"
        command = [
            sys.executable,
            "-m",
            "fuzz._runner",
            name,
            str(seed),
            str(cases),
            str(folder),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout.splitlines()[-1])
        if not folder.exists():
            raise SystemExit(done.stderr)
        kept = keep_files(folder, f"{name}-{seed}-died")
        (kept / "traceback.txt").write_text(done.stderr)
    died = f"died with exit code {done.returncode}"
    return {"target": name, "seed": seed, "finds": {died: str(kept)}}


def again(name: str, kept: str) -> int:
    """Try a kept case again and show what happens."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as private:
        folder = Path(private) / "case"
        shutil.copytree(kept, folder, ignore=shutil.ignore_patterns("traceback.txt"))
        try:
            with limited():
                importlib.import_module(f"fuzz.{name}").try_case(folder)
        except SERError as error:
            print(f"refused: {error}")
        else:
            print("a result")
    return 0


def main() -> int:
    """Run targets and print a table; the exit code is 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(targets()))
    parser.add_argument("--seed", type=int, help="[a new one]")
    parser.add_argument("--cases", type=int, default=CASES, help=f"per target [{CASES}]")
    parser.add_argument("--again", metavar="FOLDER", help="a case kept in fuzz/failures")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(targets()):
        parser.error(
            f"no target {', '.join(sorted(unknown))}; there are {', '.join(targets())}"
        )
    if arguments.again:
        return again(arguments.targets[0], arguments.again)
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"seed: {seed}", flush=True)
    rows, found = [], 0
    for name in arguments.targets or targets():
        facts = run_target(name, seed, arguments.cases)
        print(json.dumps(facts), flush=True)
        found += len(facts["finds"])
        rows.append([facts.get(column) for column in COLUMNS] + [len(facts["finds"])])
    print(to_markdown(Table("fuzz", f"seed {seed}", [*COLUMNS, "finds"], rows)))
    return int(found > 0)


COLUMNS = ("target", "cases", "results", "refused", "seconds", "slowest_s", "peak_mb")

if __name__ == "__main__":
    sys.exit(main())
