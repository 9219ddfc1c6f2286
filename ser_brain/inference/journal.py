"""What ``ser predict`` has done so far, so that the next run goes on from there.

JSON lines beside the output: first the settings, then a line for every chunk of rows that has
been written. What was written after the last whole line does not count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.files import open_regular, write_text
from ser_brain.inference.left_out import LeftOut


class Journal:
    """The journal of an output; read when made.

    Attributes
    ----------
    path : Path
    settings : dict or None
        What made the rows; None where there is no journal yet.
    bytes_written : int
        Of the rows.
    left_out : list of LeftOut
        Of files that have rows.

    Raises
    ------
    SERError
        If there is one that cannot be read.
    """

    def __init__(self, path: Path):
        self.path = path
        self._read()

    def begin(self, settings: Mapping) -> None:
        """Start anew."""
        write_text(self.path, json.dumps(settings, ensure_ascii=False) + "\n")
        self._read()

    def add(
        self,
        bytes_written: int,
        finished: Iterable[Path] = (),
        unfinished: tuple[Path, int] | None = None,
        left_out: Iterable[LeftOut] = (),
    ) -> None:
        """Note that rows have been written.

        Parameters
        ----------
        bytes_written : int
            Of all rows, with those before.
        finished, unfinished
            See :class:`ser_brain.inference.predicting.Chunk`.
        left_out : iterable of LeftOut
            What the same files have no rows of.
        """
        files = {str(path): {"mark": _mark(path), "pieces": None} for path in finished}
        if unfinished is not None:
            path, pieces = unfinished
            files[str(path)] = {"mark": _mark(path), "pieces": pieces}
        chunk = {"bytes": bytes_written, "files": files, "left_out": [*map(asdict, left_out)]}
        content = (json.dumps(chunk, ensure_ascii=False) + "\n").encode()
        with open(self.path, "rb+") as file:
            file.truncate(self._length)
            file.seek(self._length)
            file.write(content)
            os.fsync(file.fileno())
        self._length += len(content)
        self._take(chunk)

    def remaining(self, files: Sequence[Path]) -> dict[Path, int]:
        """Files that are not finished, and how many pieces of each have been dealt with.

        Raises
        ------
        SERError
            If a file has changed since its rows were written.
        """
        found = {}
        for path in files:
            entry = self._files.get(str(path), {"mark": None, "pieces": 0})
            if entry["mark"] and _mark(path) not in (entry["mark"], None):
                raise SERError(
                    f"{path} has changed since it was scored (size or time). To score all "
                    f"again give another --out, or remove {self.path} and what it belongs to."
                )
            if entry["pieces"] is not None:
                found[path] = entry["pieces"]
        return found

    def _read(self) -> None:
        self.settings: dict | None = None
        self.bytes_written = 0
        self.left_out: list[LeftOut] = []
        self._files: dict[str, dict] = {}
        self._length = 0  # of the journal itself, in bytes
        if not self.path.exists():
            return
        with open_regular(self.path) as file:
            content = file.read()
        self._length = content.rfind(b"\n") + 1
        try:
            self.settings, *chunks = map(json.loads, content[: self._length].split(b"\n")[:-1])
            for chunk in chunks:
                self._take(chunk)
        except (ValueError, KeyError, TypeError) as error:
            raise SERError(
                f"Cannot read {self.path} ({error}); remove it and what it belongs to, or give "
                "another --out."
            ) from error

    def _take(self, chunk: Mapping) -> None:
        self.bytes_written = chunk["bytes"]
        self._files.update(chunk["files"])
        self.left_out += [LeftOut(**item) for item in chunk["left_out"]]


def _mark(path: Path) -> list[int] | None:
    """Files that differ in it differ; None where there is none any more."""
    if not path.exists():
        return None
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
