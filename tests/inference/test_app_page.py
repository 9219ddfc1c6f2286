"""The HTML of the page."""

import base64
from types import SimpleNamespace

import pytest

from ser_brain.inference.app import page
from ser_brain.inference.app.page import about_html, error_html, result_html
from ser_brain.reporting.html import ReportFigure
from tests.inference.made_result import EMOTIONS, Seen, made_result


@pytest.fixture(autouse=True)
def figures(monkeypatch):
    """Figures that take no time; test_app_plots.py draws real ones."""

    def drawn(result):
        return ReportFigure("caption", "Pixels of " + result.name, "data:image/png;base64,aa")

    def course(result):
        return drawn(result) if len(result.rows) > 1 else None

    monkeypatch.setattr(page, "plane_figure", lambda r: drawn(r) if r.va_range else None)
    monkeypatch.setattr(page, "course_figure", course)


def bars(seen):
    return {row["data-emotion"]: float(row["data-p"]) for row in seen.all("tr")}


def test_a_clip_is_shown_whole():
    result = made_result(warnings="very quiet: -52 dBFS; clipped: 1.0% of the samples")
    seen = Seen(result_html(result))
    assert bars(seen) == dict(zip(EMOTIONS, [0.7, 0.1, 0.1, 0.1], strict=True))
    assert "anger 70.0 %" in seen.words
    assert "a.wav 4.0 s, scored as one clip." in seen.words
    assert "Valence 4.00, arousal 3.00 (scale 1 to 5). Nearest words: pleased" in seen.words
    assert "Doubtful: very quiet: -52 dBFS Doubtful: clipped: 1.0% of the samples" in seen.words
    assert "ser predict a.wav --model MODEL --out a.csv" in seen.words
    (point,) = seen.all("img")
    assert point["alt"] == "Pixels of a.wav"


def test_windows_are_shown_by_their_mean_and_over_time():
    seen = Seen(result_html(made_result(windows=4, warnings="very quiet: -52 dBFS")))
    assert bars(seen) == pytest.approx(
        {"anger": 0.5, "neutral": 0.25, "sadness": 0.15, "happiness": 0.1}
    )
    assert list(bars(seen)) == ["anger", "neutral", "sadness", "happiness"]
    assert "scored in 4 windows of 4 s, one every 2 s" in seen.words
    assert "Probability of each emotion, mean over the windows" in seen.words
    assert "Valence 4.00, arousal 4.50 (scale 1 to 5; mean over the windows)" in seen.words
    assert "Doubtful in 4 of 4 windows: very quiet" in seen.words
    assert "No score from 8.0 s to 12.0 s: silent" in seen.words
    assert "--window 4 --hop 2" in seen.words
    assert len(seen.all("img")) == 2


def test_a_point_off_the_scale_is_pointed_out():
    assert "outside the scale" not in Seen(result_html(made_result())).words
    far = made_result(windows=6)  # arousal 3 to 8, mean 5.5
    assert "The point is outside the scale" in Seen(result_html(far)).words


def test_the_table_is_a_link_that_holds_it():
    result = made_result(windows=3)
    (link,) = Seen(result_html(result)).all("a")
    assert link["download"] == "a.csv"
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8;base64"
    assert base64.b64decode(content).decode() == result.csv()


@pytest.mark.parametrize("windows, figures", [(1, 0), (3, 1)])
def test_a_model_of_classes_alone_has_no_point(windows, figures):
    html = result_html(made_result(windows=windows, va_range=None))
    assert "alence" not in html and "arousal" not in html
    assert len(Seen(html).all("img")) == figures


@pytest.mark.parametrize("windows, figures", [(1, 1), (3, 2)])
def test_a_model_of_valence_and_arousal_alone_has_no_bars(windows, figures):
    seen = Seen(result_html(made_result(windows=windows, emotions=[])))
    assert seen.all("tr") == [] and "Probabilit" not in seen.words
    assert len(seen.all("img")) == figures


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
        card={"training_data": {"corpora": corpora}},
    )
    said = Seen(about_html(model)).words
    assert "not a diagnosis" in said
    assert "It chooses among anger, happiness, sadness, neutral" in said
    assert "from -1 to 1" in said
    assert "Made <corpus>; a corpus without title (languages: fas, kor)." in said
    assert "synthetic speech: its output says nothing about people" in said


def test_a_model_without_a_card():
    model = SimpleNamespace(name="the model", emotions=[], va_range=None, card={})
    said = Seen(about_html(model)).words
    assert "Trained on" not in said and "chooses" not in said and "rates" not in said
    assert "not a diagnosis" in said


def test_a_screen_reader_announces_an_error():
    html = error_html("no <sound>")
    assert Seen(html).all("p")[0]["role"] == "alert"
    assert "no &lt;sound&gt;" in html
