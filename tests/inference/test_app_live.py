"""The live view of ``ser app``: it scores what it is sent, for a few, and forgets it."""

from threading import Event

import numpy as np
import pytest

from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.windows import cut_windows
from tests.inference.stand_in import RATE_HZ, noise
from tests.inference.tiny_models import tone, write_adapter, write_model

pytest.importorskip("gradio", reason="the page needs the extra 'app'")
from starlette.applications import Starlette  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from ser_brain.inference.app import live  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live") / "model"
    write_model(folder, "compact", pooling="mean_std")
    write_adapter(folder)
    return EmotionRecognizer.from_pretrained(folder, device="cpu")


class Page:
    """What the page's script sends, and what it is answered."""

    def __init__(self, view):
        self.client = TestClient(Starlette(routes=view.routes))
        self.visit = ""

    def post(self, name, body=b"", status=200, **more):
        asked = {"visit": self.visit, **more}
        answer = self.client.post(f"/live/{name}", params=asked, content=body)
        assert answer.status_code == status, answer.text
        return answer.json() if status == 200 else answer.text

    def begin(self):
        self.visit = self.post("begin", rate=RATE_HZ)["visit"]
        return self

    def say(self, samples, **more):
        return self.post("samples", pcm(samples).tobytes(), **more)["rows"]


def pcm(samples):
    return (samples * 32767).astype("<i2")


def test_the_answers_are_those_of_the_stream_and_once_enrolled_of_the_adapted_too(model):
    said = noise(9.2, seed=3)
    voice = np.concatenate([tone(seed % 3, 2, seed) for seed in range(5)])
    page = Page(live.LiveView(model, Event())).begin()
    (first,) = page.say(said[: 4 * RATE_HZ])
    assert page.say(said[4 * RATE_HZ : 4 * RATE_HZ + 9]) == []
    found = page.post("enrol", pcm(voice).tobytes())
    assert found == {"adapted": True, "said": "Adapted to 10 s of your voice."}
    (last,) = page.say(said[4 * RATE_HZ + 9 :])  # six windows, of which it is the last
    enrolled = model.enrol(
        [(clip, RATE_HZ) for _, clip in cut_windows([pcm(voice)], RATE_HZ, 2.0, 2.0)]
    )
    for row, start in ((first, 0), (last, 5)):
        clip = pcm(said)[start * RATE_HZ : (start + 4) * RATE_HZ]
        alone = model.predict(clip, RATE_HZ)
        assert (row["start_s"], row["stop_s"]) == (start, start + 4)
        assert row["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)
        assert row["values"]["valence"] == pytest.approx(alone["valence"], abs=1e-5)
        assert row["x"] == pytest.approx((alone["valence"] - 3) / 2, abs=1e-5)
    assert "adapted" not in first
    adapted = enrolled.predict(clip, RATE_HZ)["probabilities"]
    assert last["adapted"] == pytest.approx(adapted, abs=1e-5)
    page.begin()  # the microphone was off in between
    assert "adapted" in page.say(noise(4))[0]
    assert page.post("enrol") == {"adapted": False, "said": "Forgotten."}
    assert "adapted" not in page.say(noise(1))[0]
    (silent,) = page.say(np.zeros(4 * RATE_HZ), lost=RATE_HZ)
    assert silent == {"start_s": 6.0, "stop_s": 10.0, "silent": True}
    page.post("end")
    assert page.post("samples", b"", 400) == live.ENDED


def test_a_voice_in_which_nothing_differs_changes_nothing(model):
    page = Page(live.LiveView(model, Event())).begin()
    assert page.post("enrol", pcm(np.tile(tone(0, 2), 5)).tobytes())["said"] == live.ALIKE
    said = page.post("enrol", bytes(20 * RATE_HZ), 400)
    assert said.startswith("Hardly anything was heard.")


def test_what_is_refused(model):
    ending = Event()
    view = live.LiveView(model, ending)
    pages = [Page(view).begin() for _ in range(live.MOST_VISITS)]
    said = Page(view).post("begin", b"", 400, rate=RATE_HZ)
    assert said == "4 others are listening; try again later."
    page = pages[0]
    assert "Half a sample" in page.post("samples", b"abc", 400)
    assert page.post("samples", bytes(live.LARGEST + 1), 413) == "Too much at once."
    assert "Bad lost '-1'" in page.post("samples", b"", 400, lost=-1)
    assert "Bad sampling rate 8" in page.post("begin", b"", 400, rate=8)
    assert "at most 192000" in page.post("begin", b"", 400, rate=10**9)
    assert Page(view).post("samples", b"", 400) == live.ENDED  # a visit that never began
    pages[1].post("end")
    Page(view).begin()
    ending.set()
    assert page.post("samples", b"", 400) == live.ENDED
