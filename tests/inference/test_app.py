"""The page of ``ser app``: scores as of ``ser predict``, its HTML, and the guard before it."""

import base64
import csv
import io
import re
import socket
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.data.labels import WORD_ANGLE_DEG
from ser_brain.inference.app import result as module
from ser_brain.inference.app.plots import course_figure, plane_figure
from ser_brain.inference.app.result import ScoredRecording, nearest_words, score_recording
from ser_brain.inference.recognizer import Scores
from ser_brain.inference.segments import Skipped
from tests.inference.stand_in import RATE_HZ, StandIn, noise, stand_in_model, write

pytest.importorskip("gradio", reason="the page needs the extra 'app'")
from starlette.applications import Starlette  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from ser_brain.inference.app.page import about_html, error_html, result_html  # noqa: E402
from ser_brain.inference.app.web import PageGuard  # noqa: E402

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]
PROBABILITIES = ([0.7, 0.1, 0.1, 0.1], [0.3, 0.1, 0.2, 0.4])


def made_result(windows=1, emotions=EMOTIONS, va_range=(1, 5), name="a.wav", warnings=""):
    """Windows of 4 s, one every 2 s; a hole of 6 s after the third."""
    rows = []
    for n in range(windows):
        start = 2.0 * n + (6.0 if n > 2 else 0.0)
        row = {"file": name, "start": start, "stop": start + 4}
        if emotions:
            probabilities = PROBABILITIES[n % 2]
            row["emotion"] = emotions[probabilities.index(max(probabilities))]
            row |= {f"p_{e}": p for e, p in zip(emotions, probabilities, strict=True)}
        if va_range:
            row |= {"valence": 4.0, "arousal": 3.0 + n}
        rows.append({**row, "warnings": warnings})
    hole = [Skipped(name, 8.0, 12.0, "silent")] if windows > 3 else []
    window_s = 4.0 if windows > 1 else None
    stop = rows[-1]["stop"]
    return ScoredRecording(
        "m", name, stop, window_s, list(rows[0]), rows, hole, emotions, va_range, []
    )


class Seen(HTMLParser):
    """What a page shows: its words, and its tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags, self._words = [], []
        self.feed(page)
        self.words = re.sub(r"\s+", " ", "".join(self._words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] != "style":
            self._words.append(data)

    def all(self, tag):
        """The attributes of every tag of a name."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("radius", [0.2, 1.3])
def test_in_its_own_direction_a_word_is_nearest(radius):
    for word, degrees in WORD_ANGLE_DEG.items():
        angle = np.radians(degrees)
        assert nearest_words(radius * np.cos(angle), radius * np.sin(angle))[0] == word
    # Pleased (353.2 degrees) and happy (7.8) are neighbours.
    assert set(nearest_words(radius, 0.0, count=2)) == {"pleased", "happy"}
    assert nearest_words(0.0, 0.0) == []


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The working folder, where every model is the stand-in."""
    return stand_in_model(tmp_path, monkeypatch)


def predicted(name, *options):
    """What ``ser predict --out`` writes."""
    assert main(["predict", name, "--model", "model", "--out", "out.csv", *options]) == 0
    return Path("out.csv").read_bytes().decode()


@pytest.mark.parametrize("seconds, rate_hz", [(2, RATE_HZ), (0.3, 44_100), (29, 8000)])
def test_a_clip_has_the_row_of_ser_predict(there, seconds, rate_hz):
    path = write(there / "uploads/my clip, 1.wav", noise(seconds, rate_hz=rate_hz), rate_hz)
    shown = score_recording(StandIn(), path, None)
    path.rename(there / path.name)
    assert shown.csv() == predicted(path.name)
    assert shown.window_s is None and len(shown.rows) == 1
    assert shown.warnings.keys() == set(filter(None, shown.rows[0]["warnings"].split("; ")))


def test_windows_have_the_rows_of_ser_predict(there):
    samples = np.concatenate([noise(13.3), np.zeros(160_000), noise(7)])
    shown = score_recording(StandIn(), write(there / "long.flac", samples), 4.0)
    assert shown.csv() == predicted("long.flac", "--window", "4", "--hop", "2")
    assert shown.spans_N2[:, 0].tolist() == [*range(0, 14, 2), 20, 22, 24, 26, 26.3]
    assert shown.skipped == [Skipped("long.flac", 14, 22, "silent")]
    assert shown.probs_NC.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert shown.probs_NC[2, 1] == shown.rows[2]["p_neutral"]
    assert shown.values["arousal"][1] == shown.rows[1]["arousal"]


def test_too_long_for_one_clip_is_cut_and_said(there):
    path, shares = write(there / "long.wav", noise(150)), []
    shown = score_recording(StandIn(), path, None, shares.append)
    assert shown.window_s == 4 and shown.hop_s == 2 and len(shown.rows) == 74
    assert "takes at most 30 s as one clip" in shown.notes[0]
    assert shares == pytest.approx(np.arange(74) / 74, abs=0.04)
    assert shown.csv() == predicted("long.wav", "--window", "4", "--hop", "2")

    def end(share):
        raise SERError("enough")

    model = StandIn()
    with pytest.raises(SERError, match="enough"):
        score_recording(model, path, 4.0, end)
    assert model.batches == []


def test_what_a_model_lacks_is_none(there):
    model = StandIn()
    model.emotions, model.va_range, model.dimensions = [], None, ()
    model.score = lambda waveforms: [Scores(None, None, np.zeros(2)) for _ in waveforms]
    shown = score_recording(model, write(there / "a.wav", noise(2)), None)
    assert shown.probs_NC is None and not shown.values
    assert shown.columns == ["file", "start", "stop", "warnings"]


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "was deleted, as all are"),
        (np.zeros(RATE_HZ), "The recording is silent"),
        (noise(0.05), "too short: it must last 0.1 s"),
        ("no sound", "Use WAV, FLAC, OGG, Opus, MP3 or AIFF"),
        ("", "The file is empty"),
        (np.full(RATE_HZ, np.nan), "not numbers"),
        (noise(61), "lasts 1 minutes; this page takes 1. `ser predict"),
    ],
)
def test_errors_are_in_the_words_of_a_visitor(there, monkeypatch, content, message):
    monkeypatch.setattr(module, "LONGEST_S", 60.0)  # instead of an hour
    path = there / "a.wav"
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        write(path, content, subtype="FLOAT")
    with pytest.raises(SERError, match=message):
        score_recording(StandIn(), path, None)


def test_a_window_that_the_model_cannot_take_is_refused(there):
    model = StandIn()
    model.max_samples = 3 * RATE_HZ
    path = write(there / "a.wav", noise(9))
    with pytest.raises(SERError, match="Bad window of 4 s; this model .* 0.1 to 3 s"):
        score_recording(model, path, 4.0)
    assert score_recording(model, path, None).window_s == 3


def test_an_emotion_of_any_name_keeps_its_column():
    """Issue 13, S9: the page's table has the header of ``ser predict``."""
    made = made_result(emotions=['a,"b', "c", "d", "e"], va_range=None)
    head, row = csv.reader(io.StringIO(made.csv()))
    assert head == made.columns and row[:5] == ["a.wav", "0.0", "4.0", 'a,"b', "0.7"]


def bars(seen):
    return {row["data-emotion"]: float(row["data-p"]) for row in seen.all("tr")}


def test_a_clip_is_shown_whole():
    result = made_result(warnings="very quiet: -52 dBFS; clipped: 1.0% of the samples")
    seen = Seen(result_html(result))
    assert bars(seen) == dict(zip(EMOTIONS, [0.7, 0.1, 0.1, 0.1], strict=True))
    for words in (
        "anger 70.0 %",
        "a.wav 4.0 s, scored as one clip.",
        "Valence 4.00, arousal 3.00 (scale 1 to 5). Nearest words: pleased",
        "Doubtful: very quiet: -52 dBFS Doubtful: clipped: 1.0% of the samples",
        "ser predict a.wav --model MODEL --out a.csv",
    ):
        assert words in seen.words
    assert "outside the scale" not in seen.words
    (plane,) = seen.all("img")
    assert plane["alt"].startswith("Point on the plane of valence and arousal: valence 4.00")


def test_windows_are_shown_by_their_mean_and_over_time():
    result = made_result(windows=4, warnings="very quiet: -52 dBFS")
    seen = Seen(result_html(result))
    means = {"anger": 0.5, "neutral": 0.25, "sadness": 0.15, "happiness": 0.1}
    assert bars(seen) == pytest.approx(means) and list(bars(seen)) == list(means)
    for words in (
        "scored in 4 windows of 4 s, one every 2 s",
        "Probability of each emotion, mean over the windows",
        "Valence 4.00, arousal 4.50 (scale 1 to 5; mean over the windows)",
        "Doubtful in 4 of 4 windows: very quiet",
        "No score from 8.0 s to 12.0 s: silent",
        "--window 4 --hop 2",
    ):
        assert words in seen.words
    assert len(seen.all("img")) == 2
    (link,) = seen.all("a")
    assert link["download"] == "a.csv"
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8;base64"
    assert base64.b64decode(content).decode() == result.csv()
    far = result_html(made_result(windows=6))  # arousal 3 to 8, mean 5.5
    assert "The point is outside the scale" in Seen(far).words


@pytest.mark.parametrize("windows, figures", [(1, 0), (3, 1)])
def test_a_model_has_no_point_or_no_bars(windows, figures):
    html = result_html(made_result(windows=windows, va_range=None))
    assert "alence" not in html and "arousal" not in html
    assert len(Seen(html).all("img")) == figures
    seen = Seen(result_html(made_result(windows=windows, emotions=[])))
    assert seen.all("tr") == [] and "Probabilit" not in seen.words
    assert len(seen.all("img")) == figures + 1


def test_nothing_is_asked_for_and_nothing_runs():
    hostile = "<img src=x onerror=alert(1)>{{7*7}}${8*8}'; rm -rf ~.wav"
    html = result_html(made_result(windows=3, name=hostile))
    seen = Seen(html)
    assert hostile in seen.words
    assert all(image["src"].startswith("data:") for image in seen.all("img"))
    assert not seen.all("script")
    assert "ser predict '<img" in seen.words  # as one word of a shell
    assert "http" not in html


def test_what_the_model_is():
    corpora = {
        "made": {"title": "Made <corpus>", "languages": ["fas"], "synthetic": True},
        "other": {"languages": ["kor"]},
    }
    model = SimpleNamespace(
        name="the model",
        emotions=EMOTIONS,
        va_range=(-1.0, 1.0),
        dimensions=("valence", "arousal"),
        card={"training_data": {"corpora": corpora}},
    )
    said = Seen(about_html(model)).words
    assert "not a diagnosis" in said
    assert "It chooses among anger, happiness, sadness, neutral" in said
    assert "from -1 to 1" in said
    assert "Made <corpus>; a corpus without title (languages: fas, kor)." in said
    assert "synthetic speech: its output says nothing about people" in said
    bare = SimpleNamespace(name="the model", emotions=[], va_range=None, dimensions=(), card={})
    said = Seen(about_html(bare)).words
    assert "Trained on" not in said and "chooses" not in said and "rates" not in said
    assert "not a diagnosis" in said


def test_a_screen_reader_announces_an_error():
    html = error_html("no <sound>")
    assert Seen(html).all("p")[0]["role"] == "alert"
    assert "no &lt;sound&gt;" in html


def has(figure, *words):
    svg = base64.b64decode(figure.source.partition(",")[2]).decode()
    return [f"<!-- {word} -->" in svg for word in words]


def test_the_plane_has_russells_words_and_the_models_scale(drawn):
    figure = plane_figure(made_result(4))
    words = "excited", "sleepy", "Valence", "Arousal", "Predicted valence and arousal"
    assert all(has(figure, *words, "1", "3", "5"))
    assert "valence 4.00, arousal 4.50; nearest words: excited" in figure.alt
    assert figure.caption.startswith("Cross: mean. Dots: windows")
    made = made_result()
    middle = replace(made, rows=[{**made.rows[0], "valence": 3.0, "arousal": 3.0}])
    with np.errstate(all="raise"):  # no direction
        assert "in the middle of the circle" in plane_figure(middle).alt


@pytest.mark.parametrize(
    "options, classes, values",
    [({}, True, True), ({"va_range": None}, True, False), ({"emotions": []}, False, True)],
)
def test_the_course_has_a_panel_for_each_prediction(drawn, options, classes, values):
    figure = course_figure(made_result(4, **options))
    assert has(figure, "happiness", "Valence", "Arousal") == [classes, values, values]
    assert all(has(figure, "0:10", "Time in the recording (min:s)"))
    named = [*["probabilities"] * classes, *["valence, arousal"] * values]
    assert figure.alt.startswith(f"{', '.join(named).capitalize()} over 16 s, in 4 windows.")
    assert "Grey: no score" in figure.caption
    assert "Grey" not in course_figure(made_result(2, **options)).caption


HOME = "http://127.0.0.1:7860"
EVIL = "http://evil.example"


@pytest.mark.parametrize(
    "method, headers, status, anywhere",
    [
        ("POST", {}, 403, 403),  # no browser leaves it out
        ("POST", {"Origin": HOME}, 200, 200),
        ("POST", {"Host": "localhost:7860", "Origin": "http://localhost:7860"}, 200, 200),
        ("POST", {"Host": "[::1]:7860", "Origin": "http://[::1]:7860"}, 200, 200),
        ("POST", {"Origin": EVIL}, 403, 403),
        ("POST", {"Origin": "http://127.0.0.1:1"}, 403, 403),
        ("POST", {"Origin": "null"}, 403, 403),
        ("POST", {"Host": "evil.example", "Origin": EVIL}, 403, 200),
        ("GET", {"Host": "evil.example"}, 403, 200),
        ("GET", {"Origin": EVIL}, 200, 200),  # the browser keeps it
    ],
)
def test_a_file_and_a_voice_are_taken_from_the_page_alone(method, headers, status, anywhere):
    """Where all may reach the page, the name of its host is not known."""
    paths = ("/gradio_api/upload", "/live/samples")
    app = Starlette(
        routes=[Route(p, lambda _: PlainTextResponse(""), methods=[method]) for p in paths]
    )
    for names, expected in ((("127.0.0.1", "localhost", "::1"), status), ((), anywhere)):
        client = TestClient(PageGuard(app, names, Path("/uploads")), base_url=HOME)
        for path in paths:
            assert client.request(method, path, headers=headers).status_code == expected
        assert client.post("/live/other", headers={"Origin": HOME}).status_code == 403


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["model", "--port", "99999"], "port 99999: "),
        (["model", "--host", "192.0.2.1"], "serve on 192.0.2.1, port 0: Cannot assign"),
        (["no model"], "No model at 'no model'"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys):
    assert main(["app", "--port", "0", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and "Traceback" not in said


def test_a_port_in_use_and_a_package_that_is_missing(monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["app", "model", "--port", str(port)]) == 2
    taken = f"error: Cannot serve on 127.0.0.1, port {port}: Address already in use"
    assert taken in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["app", "model"]) == 2
    assert "pip install 'ser-recipes[app]'" in capsys.readouterr().err
