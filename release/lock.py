"""Write the exact versions of everything that the project installs into ``constraints.txt``.

    make lock                                        # with this environment's Python
    python -m release.lock python3.10 python3.13     # the oldest and a newer one

Each interpreter resolves the project's own ranges to the newest versions; nothing is installed.
Where they differ, the version of the oldest gets a line of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "constraints.txt"
EXTRAS = "dev,fuzz,release"
BY_TORCH = ("nvidia-", "cuda-toolkit", "triton")  # torch asks for one version of each
BY_BUILD = ("setuptools",)  # pyproject.toml bounds it
HEAD = """\
# The exact versions that the tests ran with; `make lock` writes them. Triton and the other CUDA
# libraries are pinned by torch itself.
"""


def resolved(python: str) -> tuple[str, dict[str, str]]:
    """Python's version, such as ``3.10``, and package -> version as pip would install them."""
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    version = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", str(report), f"{ROOT}[{EXTRAS}]"]
        subprocess.run(command, check=True)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    found = {}
    for item in items:
        name = item["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
        if name != "ser-recipes" and not name.startswith(BY_TORCH + BY_BUILD):
            found[name] = item["metadata"]["version"].partition("+")[0]
    return version, found


def lines(versions: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
    """The lines of ``constraints.txt``, for Pythons from the oldest to the newest.

    Examples
    --------
    >>> lines([("3.10", {"a": "1", "b": "1", "c": "3"}), ("3.11", {"a": "1", "b": "2"})])
    ['a==1', 'b==1; python_version < "3.11"', 'b==2; python_version >= "3.11"', \
'c==3; python_version < "3.11"']
    """
    found = []
    for name in sorted({name for _, pins in versions for name in pins}):
        pins = [(python, pinned.get(name)) for python, pinned in versions]
        changes = [n for n, (_, pin) in enumerate(pins) if n == 0 or pin != pins[n - 1][1]]
        for start, stop in zip(changes, [*changes[1:], None], strict=True):
            if pins[start][1] is None:
                continue
            bounds = [f'python_version >= "{pins[start][0]}"'] if start else []
            bounds += [f'python_version < "{pins[stop][0]}"'] if stop else []
            marker = f"; {' and '.join(bounds)}" if bounds else ""
            found.append(f"{name}=={pins[start][1]}{marker}")
    return found


def main() -> None:
    """Resolve with each interpreter that is named, and write the file."""
    versions = [resolved(python) for python in sys.argv[1:] or [sys.executable]]
    versions.sort(key=lambda each: tuple(map(int, each[0].split("."))))
    PAGE.write_text(HEAD + "\n".join(lines(versions)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
