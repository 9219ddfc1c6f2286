"""The page as a person meets it: in a browser, with a file in its file dialogue.

The server runs as ``ser app`` in a process that tells of every address it turns to; the browser
tells of every request of the page.
"""

import base64
import importlib.util
import signal
from urllib.parse import urlsplit

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.inference.recognizer import EmotionRecognizer
from tests.inference import chromium
from tests.inference.stand_in import noise, write
from tests.inference.test_app_server import STOP_S, ser_app
from tests.inference.tiny_models import write_adapter, write_model

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("gradio") is None, reason="the page needs the extra 'app'"
    ),
    pytest.mark.skipif(chromium.find() is None, reason="no Chromium on this machine"),
]
SER_APP = """
import sys

def tell(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        asked = arguments[1][0] if event == "socket.connect" else arguments[0]
        if asked not in ("127.0.0.1", "localhost", None):
            print("turned to", asked, file=sys.stderr, flush=True)

sys.addaudithook(tell)
from ser_brain.__main__ import main
sys.exit(main(["app", sys.argv[1], "--port", "0"]))
"""
INSIDE = ("data:", "blob:", "about:")  # addresses that ask nobody
FILE = "input[type=file]"
ROWS = (
    "[...document.querySelectorAll('#result tr')].map(r => [r.dataset.emotion, +r.dataset.p])"
)
LIVE = "[...document.querySelectorAll('.ser-live tr[data-emotion]')]"
DRAWN = "[...document.querySelectorAll('#result img')].map(image => image.naturalWidth > 0)"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app") / "model"
    write_model(folder)
    return folder


def hand_in(tab, path, shown):
    """Choose a file, and wait for what the result then shows."""
    tab.until(f"document.querySelector('{FILE}') !== null")
    tab.choose(FILE, path)
    tab.until(f"document.querySelector('#result {shown}') !== null")


def table(tab):
    """What the link downloads."""
    address = tab.say("document.querySelector('#result .ser-download').href")
    return base64.b64decode(address.partition(",")[2]).decode()


def test_a_recording_goes_in_and_its_scores_come_out(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    clip = write(tmp_path / "clip.wav", noise(3))
    silent = write(tmp_path / "silent.wav", np.zeros(16_000))
    temporary = tmp_path / "temporary"
    command = ["-c", SER_APP, str(model)]
    with ser_app(command, temporary) as (server, visitor), chromium.tab(tmp_path / "c") as tab:
        tab.open(f"http://{visitor.host}")
        hand_in(tab, clip, ".ser-download")
        alone = EmotionRecognizer.from_pretrained(model).predict(clip)
        shown = {emotion: float(p) for emotion, p in tab.say(ROWS)}
        assert shown == pytest.approx(alone["probabilities"], abs=1e-5)
        for name in ("valence", "arousal"):
            said = tab.say(f"+document.querySelector('[data-{name}]').dataset.{name}")
            assert said == pytest.approx(alone[name], abs=1e-5)
        tab.until(f"{DRAWN}.join() === 'true'")

        tab.say("document.querySelectorAll('input[type=radio]')[1].click()")
        tab.until("document.querySelector('#result').innerText.includes('--window 2 --hop 1')")
        windows = ["--model", str(model), "--window", "2", "--hop", "1"]
        assert main(["predict", "clip.wav", "--out", "out.csv", *windows]) == 0
        assert table(tab) == (tmp_path / "out.csv").read_text()
        tab.until(f"{DRAWN}.join() === 'true,true'")

        tab.say("document.querySelector('button[aria-label=Clear]').click()")
        tab.until("document.querySelector('#result .ser') === null")
        hand_in(tab, silent, "[role=alert]")
        told = tab.say("document.querySelector('#result').innerText")
        assert told.startswith("The recording is silent: ")

        assert tab.console == []
        asked = {urlsplit(url).netloc for url in tab.requests if not url.startswith(INSIDE)}
        assert asked == {visitor.host}
        assert tab.say("fetch('http://192.0.2.1/').catch(error => 'refused')") == "refused"
        assert "Content Security Policy" in tab.console[0]

        assert len(list(temporary.rglob("*.wav"))) == 2
        server.send_signal(signal.SIGINT)
        said, told = server.communicate(timeout=STOP_S)
    assert server.returncode == 0
    assert told.decode() == ""  # no warning, no traceback, no address outside
    assert said.decode() == "The page is closed; recordings are deleted.\n"
    assert list(temporary.iterdir()) == []


def test_what_is_said_is_scored_live_and_kept_nowhere(tmp_path):
    folder = tmp_path / "model"
    write_model(folder, "compact", pooling="mean_std")
    write_adapter(folder)
    speech = write(tmp_path / "speech.wav", noise(20), 48_000)
    temporary = tmp_path / "temporary"
    command = ["-c", SER_APP, str(folder)]
    microphone = f"--use-file-for-fake-audio-capture={speech}"
    with (
        ser_app(command, temporary) as (server, visitor),
        chromium.tab(tmp_path / "c", microphone) as tab,
    ):
        tab.open(f"http://{visitor.host}")
        tab.until("document.querySelectorAll('button[role=tab]').length === 2")
        tab.say("document.querySelectorAll('button[role=tab]')[1].click()")
        tab.until("document.querySelector('.ser-live')?.dataset.begun === 'yes'")
        tab.say("document.querySelector('.ser-enrol').click()")  # switches the microphone on
        tab.until("+document.querySelector('.ser-live').dataset.heard >= 4")
        shares = tab.say(f"{LIVE}.map(row => parseFloat(row.innerText.split(/\\s+/)[1]))")
        assert len(shares) == 3 and sum(shares) == pytest.approx(100, abs=1.5)
        assert tab.say("document.querySelector('.ser-now').getAttribute('cx') !== null")
        said = "document.querySelector('.ser-said').textContent"
        tab.until(f"/^(Adapted to 10 s|To this model all of it)/.test({said})")
        tab.say("document.querySelector('.ser-start').click()")
        told = tab.say("document.querySelector('.ser-status').textContent")
        assert told == "The microphone is off."
        assert tab.console == []
        asked = {urlsplit(url).netloc for url in tab.requests if not url.startswith(INSIDE)}
        assert asked == {visitor.host}
        assert not [path for path in temporary.rglob("*") if path.is_file()]
        server.send_signal(signal.SIGINT)
        _, told = server.communicate(timeout=STOP_S)
    assert server.returncode == 0 and told.decode() == ""
