"""Where eSpeak NG's files lie, and a copy of its data that it can reach."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ser_brain.errors import SERError

PATH_LIMIT = 120  # bytes; leaves room for the longest name inside
DATA = ("phondata", "phonindex", "phontab", "intonations", "lang", "voices/!v")


def library_files() -> tuple[Path, Path]:
    """The shared library and its data folder.

    Raises
    ------
    SERError
        If the wheel is missing or broken.
    """
    try:
        import espeakng_loader

        library = Path(espeakng_loader.get_library_path())
        data = Path(espeakng_loader.get_data_path())
    except ImportError:
        raise SERError(
            "The demo corpus is spoken by eSpeak NG, which is not installed; "
            "run: pip install espeakng-loader"
        ) from None
    except RuntimeError as error:
        raise SERError(
            f"espeakng-loader is broken ({error}); "
            "run: pip install --force-reinstall espeakng-loader"
        ) from None
    return library, data


def library_digest() -> str:
    """SHA-256 of the library's bytes: which eSpeak NG speaks here."""
    return hashlib.sha256(library_files()[0].read_bytes()).hexdigest()


class ShortCopy:
    """What eSpeak NG needs of its data, in a temporary folder with a short path.

    eSpeak NG keeps the path of its data in 160 bytes on macOS and Windows, and builds longer
    ones from it without looking; an environment in a deep folder is past that.

    Parameters
    ----------
    data : Path
        The whole data.
    dictionaries : iterable of str
        The languages wanted.

    Attributes
    ----------
    path : Path

    Raises
    ------
    SERError
        If the temporary folder's path is too long as well, or cannot be written.
    """

    def __init__(self, data: Path, dictionaries: Iterable[str]) -> None:
        try:
            self._folder = tempfile.TemporaryDirectory(
                prefix="espeak-", ignore_cleanup_errors=True
            )
        except OSError as error:
            raise SERError(f"No temporary folder can be made: {error}; set TMPDIR.") from error
        self.path = Path(self._folder.name)
        try:
            self._fill(data, dictionaries)
        except SERError:
            self.close()
            raise

    def close(self) -> None:
        """Remove the copy."""
        self._folder.cleanup()

    def _fill(self, data: Path, dictionaries: Iterable[str]) -> None:
        if len(os.fsencode(self.path)) > PATH_LIMIT:
            raise SERError(
                f"The path of the temporary folder {self.path.parent} is too long for "
                f"eSpeak NG (expected at most {PATH_LIMIT} bytes); set TMPDIR to a shorter one."
            )
        try:
            for name in (*DATA, *(f"{language}_dict" for language in dictionaries)):
                if (data / name).is_dir():
                    shutil.copytree(data / name, self.path / name)
                else:
                    shutil.copyfile(data / name, self.path / name)
        except OSError as error:
            raise SERError(
                f"Cannot copy eSpeak NG's data from {data} to {self.path}: {error}; "
                "set TMPDIR to a folder with 5 MB free."
            ) from error
