"""Check a version, build it, check what the wheel contains, and try the wheel.

    make release VERSION=0.2.0

Nothing is tagged or uploaded. Before: raise ``__version__`` in ``ser_brain/__init__.py`` and
the version in ``CITATION.cff``, and move the entries of ``CHANGELOG.md`` under it. After: tag,
and push the tag.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

from ser_brain.core.errors import SERError

ROOT = Path(__file__).parents[1]
SHIPPED = ("ser_brain", "hparams", "recipes", "data_prep", "train.py")
LARGEST_BYTES = 2_000_000
STATED = {
    "ser_brain/__init__.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
    "CHANGELOG.md": r"^## (\d\S*)$",  # the first: the newest
}


def version_problems(root: Path, version: str) -> list[str]:
    """Where a checkout states another version than this one."""
    problems = []
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        problems.append(f"version {version!r}, expected one like 0.2.0")
    for name, pattern in STATED.items():
        found = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        stated = found[1] if found else "none"
        if stated != version:
            problems.append(f"{name} states {stated}, expected {version}")
    return problems


def git_problems(root: Path, version: str) -> list[str]:
    """Files that are not committed, and a tag that is taken by another commit."""
    problems = []
    if changed := _git(root, "status", "--porcelain"):
        problems.append(f"{len(changed.splitlines())} files are not committed")
    tag = f"refs/tags/v{version}^{{commit}}"
    tagged = _git(root, "rev-parse", "--verify", "--quiet", tag, may_fail=True)
    if tagged and tagged != _git(root, "rev-parse", "HEAD"):
        problems.append(f"the tag v{version} is on another commit")
    return problems


def wheel_problems(wheel: Path, tracked: Iterable[str]) -> list[str]:
    """What a wheel lacks of the tracked files, or has beside them; and whether it is too large.

    Every module, settings file and template of :data:`SHIPPED` belongs in it, and nothing else:
    no tests, no data.
    """
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = set(tracked)
    problems = [f"the wheel lacks {name}" for name in sorted(expected - found)]
    problems += [
        f"the wheel has {name}, which is not shipped" for name in sorted(found - expected)
    ]
    if (size := wheel.stat().st_size) > LARGEST_BYTES:
        problems.append(f"the wheel has {size:,} bytes, more than {LARGEST_BYTES:,}")
    return problems


def try_wheel(wheel: Path, version: str) -> None:
    """Install a wheel alone into a new environment, and run commands outside the checkout.

    Dependencies are those of this environment, so nothing is downloaded.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        python = str(scripts / "python")
        place = "import sysconfig; print(sysconfig.get_path('purelib'))"
        there, here = (_out([p, "-c", place], folder) for p in (python, sys.executable))
        Path(there, "dependencies.pth").write_text(here)
        _out([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], folder)
        ser = str(scripts / "ser")
        if (said := _out([ser, "--version"], folder)) != f"ser {version}":
            raise SERError(f"The installed wheel says {said!r}, expected 'ser {version}'.")
        _out([ser, "--help"], folder)
        _out([ser, "init", "mine"], folder)
        _out([ser, "train", "hparams/mine.yaml", "--help"], folder / "mine")
        of = _out([python, "-c", "import ser_brain; print(ser_brain.__file__)"], folder)
        if not of.startswith(there):
            raise SERError(f"The commands ran {of}, not the wheel.")


def release(version: str) -> Path:
    """Do all of it.

    Returns
    -------
    Path
        The wheel, with the sdist beside it.

    Raises
    ------
    SERError
        At the first step with a problem.
    """
    _require_none(version_problems(ROOT, version) + git_problems(ROOT, version))
    out = ROOT / "dist"
    _out(
        [sys.executable, "-m", "build", "--outdir", str(out)], ROOT
    )  # the wheel from the sdist
    wheel = out / f"ser_recipes-{version}-py3-none-any.whl"
    _require_none(wheel_problems(wheel, _git(ROOT, "ls-files", *SHIPPED).splitlines()))
    try_wheel(wheel, version)
    return wheel


def _require_none(problems: list[str]) -> None:
    if problems:
        raise SERError(f"Not a release: {'; '.join(problems)}.")


def _git(root: Path, *arguments: str, may_fail: bool = False) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode and not may_fail:
        raise SERError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def _out(command: list[str], folder: Path) -> str:
    """What a command prints; without the checkout in its path."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise SERError(f"{' '.join(command)} failed: {' '.join(last)}")
    return done.stdout.strip()


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("version", help="such as 0.2.0")
    version = parser.parse_args().version
    try:
        wheel = release(version)
    except SERError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{wheel}\nnext: git tag v{version} && git push --tags")
    return 0


if __name__ == "__main__":
    sys.exit(main())
