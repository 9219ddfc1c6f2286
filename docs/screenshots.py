"""Pictures of the project's pages, from the demo corpus alone: docs/images/page_*.png.

    python -m docs.screenshots

It trains and judges what the pages show, in build/screenshots, and looks at them with Chromium.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from tests.inference import chromium

IMAGES = Path(__file__).parent / "images"
WORK = Path("build") / "screenshots"
WIDTH, HEIGHT = 1200, 900
COLOURS = 96  # enough for pages, and a third of the bytes
SER = [sys.executable, "-m", "ser_brain"]
TRAIN = ["hparams/baseline/multiobjective.yaml", "--corpora=null", "--adaptation=speaker"]
PAGES = {
    "report": ["train", *TRAIN, "--output_folder={}/first"],
    "board": ["board", "{}/first", "{}/first/adapted", "--out", "{}/board"],
    "mood": ["mood", "--demo", "--out", "{}/mood"],
    "explore": ["explore", "results/manifests/demo.json", "--out", "{}/explore"],
}
WHERE = {"report": "first/report"}  # elsewhere than in a folder of the page's name


def main() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    for name, command in PAGES.items():
        if not page_of(name).is_file():
            subprocess.run([*SER, *(word.format(WORK) for word in command)], check=True)
    if not (WORK / "model").is_dir():
        subprocess.run([*SER, "export", str(WORK / "first"), str(WORK / "model")], check=True)
    with chromium.tab(WORK / "profile") as tab:
        tab.call("Emulation.setScrollbarsHidden", hidden=True)
        for name in PAGES:
            tab.open(page_of(name).resolve().as_uri(), WIDTH, HEIGHT)
            tab.until("document.readyState === 'complete'")
            picture(tab, name)
        with app(WORK / "model") as address:
            tab.open(address, WIDTH, HEIGHT)
            tab.until("document.querySelector('input[type=file]') !== null")
            tab.choose("input[type=file]", recording())
            tab.until("document.querySelector('#result .ser-download') !== null")
            tab.say("document.querySelectorAll('input[type=radio]')[1].click()")
            tab.until("document.querySelectorAll('#result img').length === 2")
            tab.until(
                "[...document.querySelectorAll('#result img')].every(i => i.naturalWidth > 0)"
            )
            tab.say("document.querySelector('input[type=radio]').scrollIntoView()")
            picture(tab, "app")


def page_of(name: str) -> Path:
    """The page that a command writes."""
    return WORK / WHERE.get(name, name) / "index.html"


def picture(tab: chromium.Tab, name: str) -> None:
    """Write what the tab shows, in few colours."""
    shot = base64.b64decode(tab.call("Page.captureScreenshot", format="png")["data"])
    image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS)
    image.save(IMAGES / f"page_{name}.png", optimize=True)
    print(f"page_{name}.png: {(IMAGES / f'page_{name}.png').stat().st_size / 1000:.0f} kB")


@contextlib.contextmanager
def app(model: Path) -> Iterator[str]:
    """Serve the page of a model; gives its address."""
    command = [*SER, "app", str(model), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if found := re.search(r"http://\S+", line):
                break
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def recording() -> Path:
    """Two sentences of one demo voice, each in all four emotions."""
    manifest = json.loads(Path("results/manifests/demo.json").read_text(encoding="utf-8"))
    card = json.loads(Path("results/manifests/demo.card.json").read_text(encoding="utf-8"))
    clips = [clip for clip in manifest.values() if clip["speaker"] == "demo_deu_s01"][:8]
    paths = [clip["wav"].format(data_root=card["data_folder"]) for clip in clips]
    path = (WORK / "recording.wav").resolve()
    soundfile.write(path, np.concatenate([soundfile.read(p)[0] for p in paths]), 16000)
    return path


if __name__ == "__main__":
    main()
