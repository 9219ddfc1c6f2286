"""Labels of an experiment, the ``corpora`` setting, and ``--on``."""

import argparse
import math
from pathlib import Path

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data.corpora import (
    CorpusSetting,
    Target,
    add_on_arguments,
    parse_corpora,
    targets,
)
from ser_brain.data.labelling import (
    NEEDED,
    LabelChoice,
    advise_source,
    label_corpus,
    require_every_emotion,
    require_known,
)
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import (
    CorpusCard,
    Utterance,
    entry_of,
    read_manifest,
    write_manifest,
)

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]


def choice(**changes):
    settings = {
        "emotions": EMOTIONS,
        "emotion_map": {"excitement": "happiness"},
        "va_range": (1.0, 5.0),
        "vad_source": "corpus",
        "required_label": "emotion",
    }
    return LabelChoice(**{**settings, **changes})


@pytest.fixture
def corpus(tmp_path):
    """Write a manifest of some labels; gives the function that labels it."""

    def corpus(labels, vad_scale=(1, 5), **facts):
        card = CorpusCard(
            name="made", title="", version="1", licence="", citation="", languages=("eng",),
            style="", emotions={}, sources=("intended", "rated_voice"), layout="",
            vad_scale=vad_scale,
        )  # fmt: skip
        entries = {}
        for n, label in enumerate(labels):
            own = {key: value[n] for key, value in facts.items()}
            utterance = Utterance(f"u{n}", f"u{n}.wav", label, **own)
            entries[f"made_u{n}"] = entry_of(utterance, card, 1.0, 16000)
        manifest = write_manifest(tmp_path, "made", entries, card.as_dict())

        def label(setting=None, **changes):
            settings = {"corpus": "made", **(setting or {})}
            line, found = CorpusSetting(**settings), read_manifest(manifest, NEEDED)
            return label_corpus(found, tmp_path / "data", line, choice(**changes))

        return label

    return corpus


def intended(emotion=None, valence=None, arousal=None):
    vad = None if valence is arousal is None else {"valence": valence, "arousal": arousal}
    return {"intended": annotation(emotion, vad=vad)}


def emotions_of(data):
    return {i.removeprefix("made_"): row["emotion"] for i, row in data.rows.items()}


def test_the_cards_default_source_or_the_chosen_one(corpus):
    labels = {"intended": annotation("anger"), "rated_voice": annotation("neutral")}
    label = corpus([labels, intended("sadness")])
    data = label()
    assert emotions_of(data) == {"u0": "anger", "u1": "sadness"}
    assert {row["label_source"] for row in data.rows.values()} == {"intended"}
    data = label({"label_source": "rated_voice"})
    assert emotions_of(data) == {"u0": "neutral"}
    assert data.left_out == {"without rated_voice label": 1}
    assert data.rows["made_u0"]["label_source"] == "rated_voice"
    match = "Bad label source of made 'rated_face'; expected one of: rated_voice, intended"
    with pytest.raises(SERError, match=match):
        label({"label_source": "rated_face"})


def test_where_keeps_and_names(corpus):
    label = corpus([intended("anger")] * 3, gender=["male", "female", "female"])
    data = label({"where": {"gender": "female"}})
    assert data.name == "made_female"
    assert list(data.rows) == ["made_u1", "made_u2"]
    assert data.left_out == {}
    with pytest.raises(SERError, match="of made has gender other. The .* gender: female, male"):
        label({"where": {"gender": "other"}})
    with pytest.raises(SERError, match="Bad field in where 'langauge'; .*: language"):
        CorpusSetting("made", where={"langauge": "eng"})
    with pytest.raises(SERError, match=r"Bad where speaker: \['a', 'b'\]; expected one value"):
        CorpusSetting("made", where={"speaker": ["a", "b"]})


def rated(emotion, recognised=None, **votes):
    more = {} if recognised is None else {"recognition_rate": recognised}
    return {"intended": annotation(emotion, votes=votes or None, **more)}


RATED = [
    rated("anger", anger=3, happiness=1, excitement=1, other=1),
    rated("fear", fear=4, anger=3),
    rated(None, anger=2, neutral=2, other=1),
    rated(None, anger=2, other=2),  # other is as likely, and no class
    rated(None, happiness=1, excitement=1, anger=1),  # merged, happiness leads
    rated("sadness", recognised=0.8),
    rated("neutral"),
    rated(None),
]


def test_votes_are_merged_and_those_for_other_emotions_dropped(corpus):
    rows = corpus(RATED)().rows
    assert {i: (row["votes"], row["agreement"]) for i, row in rows.items()} == {
        "made_u0": ({"anger": 3, "happiness": 2}, 3 / 6),
        "made_u5": (None, 0.8),
        "made_u6": (None, None),
    }


def test_divided_raters_are_kept_where_votes_are_wanted(corpus):
    data = corpus(RATED)(required_label="votes")
    assert list(data.rows) == ["made_u0", "made_u2", "made_u4", "made_u5", "made_u6"]
    tie, merged = data.rows["made_u2"], data.rows["made_u4"]
    assert (tie["emotion"], tie["votes"]) == (None, {"anger": 2, "neutral": 2})
    assert tie["agreement"] == 2 / 5
    assert (merged["emotion"], merged["votes"]) == (None, {"anger": 1, "happiness": 2})
    assert data.left_out == {"labelled fear": 1, "without agreement": 2}


def test_classes_are_merged_and_the_rest_counted(corpus):
    found = ["anger", "excitement", "happiness", "fear", "fear", "boredom", None]
    data = corpus([intended(emotion) for emotion in found])()
    assert emotions_of(data) == {"u0": "anger", "u1": "happiness", "u2": "happiness"}
    assert data.left_out == {"labelled fear": 2, "labelled boredom": 1, "without agreement": 1}
    assert len(data.rows) + sum(data.left_out.values()) == len(found)

    match = r"No utterance of made has the label .* \(2 labelled fear, 1 without agreement\)"
    with pytest.raises(SERError, match=match):
        corpus([intended("fear"), intended("fear"), intended()])()


@pytest.mark.parametrize(
    "scale, valence, expected",
    [
        ((1, 5), 2.5, 2.5),
        ((-1, 1), -1, 1.0),
        ((-1, 1), 0.5, 4.0),
        ((0, 100), 100, 5.0),
        ((1, 7), 4, 3.0),
    ],
)
def test_ratings_are_put_on_the_experiments_scale(corpus, scale, valence, expected):
    label = corpus([intended("anger", valence, scale[1])], vad_scale=scale)
    (row,) = label().rows.values()
    assert (row["valence"], row["arousal"]) == (pytest.approx(expected), 5.0)
    (row,) = label(va_range=(-1, 1)).rows.values()
    assert row["valence"] == pytest.approx((expected - 3) / 2)


def test_a_rating_off_the_scale_or_without_one(corpus):
    with pytest.raises(SERError, match="made_u0: valence is 5.5, outside the scale 1 to 5"):
        corpus([intended("anger", 5.5, 1)])()
    with pytest.raises(SERError, match="made_u0: valence and arousal have no scale in the"):
        corpus([intended("anger", 5.5, 1)], vad_scale=None)()


def test_prototypes_stand_in_for_ratings(corpus):
    found = ["happiness", "excitement", "neutral", "sadness"]
    rows = corpus([intended(e, 1, 1) for e in found])(vad_source="prototypes").rows
    points = [(row["valence"], row["arousal"]) for row in rows.values()]
    angle = math.radians(7.8)
    assert points[0] == pytest.approx((3 + 2 * math.cos(angle), 3 + 2 * math.sin(angle)))
    assert points[1] == points[0]  # Merged first.
    assert points[2] == (3.0, 3.0)
    assert points[3][0] < 3 and points[3][1] < 3


def test_vad_required_keeps_every_rated_utterance(corpus, tmp_path):
    label = corpus(
        [
            intended("anger", 2, 4),
            intended("fear", 1, 5),  # No class of the experiment's, yet rated.
            intended(None, 3, 3),
            intended("anger"),
            intended("anger", 2, None),
        ]
    )
    data = label(required_label="vad")
    # u4 has one of the two ratings, and counts there.
    assert emotions_of(data) == {"u0": "anger", "u1": None, "u2": None, "u4": "anger"}
    assert data.left_out == {"without valence and arousal": 1}
    data = label(required_label="vad", dimensions=("arousal",))
    assert "made_u4" not in data.rows and data.left_out == {"without arousal": 2}
    rows = label().rows
    assert rows["made_u0"]["wav"] == str(tmp_path / "data" / "u0.wav")
    assert (rows["made_u3"]["valence"], rows["made_u3"]["arousal"]) == (None, None)
    assert (rows["made_u4"]["valence"], rows["made_u4"]["arousal"]) == (2.0, None)

    label = corpus([intended("other"), intended("fear"), intended()])
    data = label(vad_source="prototypes", required_label="vad")
    assert list(data.rows) == ["made_u1"]
    assert data.left_out == {"without valence and arousal": 2}


def test_another_source_that_has_the_ratings_is_named():
    labels = {"intended": {"vad": None}, "consensus": {"vad": {"valence": 2.0}}}
    entries = {"u0": {"labels": {"intended": {}}}, "u1": {"labels": labels}}
    said = advise_source("made", entries, ("valence", "arousal"))
    assert "give label_source: consensus in the line of made in `corpora`" in said
    assert advise_source("made", entries, ("arousal",)) == ""


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"vad_source": "corpora"}, "Bad vad_source 'corpora'; expected one of: corpus"),
        ({"required_label": "va"}, "Bad required_label 'va'; expected one of: vad"),
        ({"emotions": ["anger", "fear", "anger"]}, "emotions names anger more than once"),
        ({"va_range": (5, 1)}, r"Bad va_range \[5, 1\]; expected the lowest and highest"),
        ({"va_range": (1, 3, 5)}, r"Bad va_range \[1, 3, 5\]"),
    ],
)
def test_a_label_choice_is_checked(changes, match):
    with pytest.raises(SERError, match=match):
        choice(**changes)


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"emotions": ["angry"]}, "Bad emotion 'angry'; expected one of: anger"),
        ({"emotion_map": {"excitment": "anger"}}, "Bad emotion 'excitment'; .*: excitement"),
        ({"emotion_map": {"excitement": "joy"}}, "Bad emotion 'joy'"),
        (
            {"emotions": ["anger", "interest"], "vad_source": "prototypes"},
            "vad_source: prototypes has no point for interest, a corpus's own class. Merge it",
        ),
    ],
)
def test_emotions_are_of_the_vocabulary_or_of_a_corpuss_own(changes, match):
    cards = [{}, {"own_emotions": ["interest"]}]
    with pytest.raises(SERError, match=match):
        require_known(choice(**changes), cards)
    require_known(choice(emotions=["anger", "interest"]), cards)
    merged = choice(emotion_map={"interest": "happiness"}, vad_source="prototypes")
    require_known(merged, cards)


@pytest.mark.parametrize(
    "lines, match",
    [
        ([{"corpus": "emodb", "folder": "x"}], "Bad key in corpora 'folder'; .*: data_folder"),
        ([{"use": "train"}], r"A line of corpora has no key corpus: \{'use': 'train'\}"),
        ([{"corpus": "emodb", "use": "valid"}], "Bad use of a corpus 'valid'; .*train"),
        ([{"corpus": "emodb", "use": "test"}], "No line of corpora has use: train"),
        ("demo", "Bad corpora 'demo'; expected a list"),
        (["demo"], r"Bad corpora \['demo'\]; expected a list"),
        ([{"corpus": "demo", "where": "eng"}], "Bad where 'eng'; expected a mapping"),
    ],
)
def test_a_corpora_setting_is_checked(lines, match):
    with pytest.raises(SERError, match=match):
        parse_corpora(lines)


def test_require_every_emotion():
    rows = {str(n): {"emotion": e} for n, e in enumerate(["anger", "anger", "neutral", None])}
    require_every_emotion(rows, ["anger", "neutral"])
    match = (
        r"No utterance to train on is labelled happiness, sadness \(found: anger 2, "
        r"happiness 0, sadness 0, neutral 1\)\. Correct `emotions`"
    )
    with pytest.raises(SERError, match=match):
        require_every_emotion(rows, EMOTIONS)


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_on_arguments(parser, required=False)
    return targets(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "odd:name.json"
    path.write_text("{}")
    return path


def test_targets(manifest):
    found = parsed("--on", manifest, f"{manifest}:rated", "--where", "language=deu=x")
    assert found == [
        Target(manifest, None, None, {"language": "deu=x"}),
        Target(manifest, "rated", None, {"language": "deu=x"}),
    ]
    assert parsed() == []
    folder = Path("a")
    assert parsed("--on", manifest, "--data_folder", "a", "--balanced") == [
        Target(manifest, None, folder, {}, True)
    ]


@pytest.mark.parametrize(
    "more, match",
    [
        (["--data_folder", "a", "b"], "names 2 folders for 1 manifests"),
        (["--on", "nowhere.json"], "No manifest at nowhere.json; write it first"),
        (["--on", "nowhere.json:rated"], "No manifest at nowhere.json; write it first"),
        (["--where", "language"], "Bad --where 'language'; expected KEY=VALUE"),
        (["--where", "language="], "Bad --where 'language='; expected KEY=VALUE"),
    ],
)
def test_options_that_do_not_fit(manifest, more, match):
    with pytest.raises(SERError, match=match):
        parsed("--on", manifest, *more)
