"""Run the notebooks from top to bottom, and store what they show.

    python notebooks/run.py

They run one after the other in a temporary folder, where the later ones find what the first one
trained. Log lines are not stored: they name folders of this machine.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
COLOURS = 64
NOTEBOOKS = ("train_and_judge", "circumplex_and_mood", "adapt_to_a_speaker")


def run(name: str, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a folder; an error of a cell is an exception."""
    # The commands in its cells are those of this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    options = {"timeout": 600, "record_timing": False, "coalesce_streams": True}
    return NotebookClient(notebook, resources=resources, **options).execute()


def stored(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without log lines, and with small pictures."""
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = _small(output.data["image/png"])
    return notebook


def _small(picture: str) -> str:
    """A PNG file, in base64, with half the resolution and few colours."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image = image.resize((image.width // 2, image.height // 2)).quantize(COLOURS)
    smaller = io.BytesIO()
    image.save(smaller, "png", optimize=True)
    return base64.b64encode(smaller.getvalue()).decode("ascii")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in NOTEBOOKS:
            print(name, flush=True)
            nbformat.write(stored(run(name, Path(folder))), HERE / f"{name}.ipynb")


if __name__ == "__main__":
    main()
