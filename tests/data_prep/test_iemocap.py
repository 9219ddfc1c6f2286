"""IEMOCAP: evaluation files as they are in the release, and as they are in damaged copies."""

import pytest

from data_prep.iemocap import read_evaluation

DIALOG = "Ses01F_impro01"
EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.0000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Frustration;\t()
C-E4:\tNeutral;\t()
C-F1:\tNeutral; Anger;\t(curious)
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  2;\t(mildly aggravated but staying polite, attitude)
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 5.5000, 3.0000]
C-E2:\tExcited;\t()
C-E3:\tSurprise;\t(what (did) he say)
C-E4:\tOther;\t(bemused)
C-M1:\tFrustration;\t()
A-E3:\tval ; act 2; dom  2;\t()
A-E4:\tval 2; act 9; dom  3;\t()

[12.0 - 13.5]\tSes01F_impro01_FXX0\texc\t[4.0000, 4.0000, 3.0000]
C-E2:\tExcited;\t()
C-M1:\tAnger;\t()
"""
NAMES = ("F000", "M001", "FXX0")


@pytest.fixture
def iemocap(tmp_path, wav):
    folder = tmp_path / "IEMOCAP_full_release"
    session = folder / "Session1"
    evaluations = session / "dialog" / "EmoEvaluation"
    for official in ("Attribute", "Categorical", "Self-evaluation"):
        (evaluations / official).mkdir(parents=True)
        (evaluations / official / f"{DIALOG}_e1.txt").write_text("Ses01F_impro01_F000 :act 4;")
    (evaluations / f"{DIALOG}.txt").write_text(EVALUATION)
    (session / "dialog" / "transcriptions").mkdir()
    (session / "dialog" / "transcriptions" / f"{DIALOG}.txt").write_text(
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nM: [LAUGHTER]\n"
    )
    (session / "dialog" / "wav").mkdir()
    for name in NAMES:
        wav(session / "sentences" / "wav" / DIALOG / f"{DIALOG}_{name}.wav")
    return folder


def labels_of(result, name):
    return result.manifest[f"iemocap_{DIALOG}_{name}"]["labels"]


def test_speaker_session_and_text(iemocap, run):
    result = run("iemocap", iemocap)
    manifest = result.manifest
    assert list(manifest) == [f"iemocap_{DIALOG}_{name}" for name in NAMES]
    woman, man = manifest[f"iemocap_{DIALOG}_F000"], manifest[f"iemocap_{DIALOG}_M001"]
    assert (woman["speaker"], woman["gender"]) == ("iemocap_Ses01F", "female")
    assert (man["speaker"], man["gender"]) == ("iemocap_Ses01M", "male")
    assert woman["group"] == man["group"] == "iemocap_Ses01"
    assert (woman["text"], man["text"]) == ("Excuse me.", None)
    assert woman["split"] is None and woman["start"] is None


def test_consensus_keeps_every_vote_and_rating(iemocap, run):
    consensus = labels_of(run("iemocap", iemocap), "F000")["consensus"]
    assert (consensus["emotion"], consensus["raw"]) == ("neutral", "neu")
    assert consensus["vad"] == {"valence": 2.5, "arousal": 2.5, "dominance": 2.0}
    assert consensus["votes"] == {"neutral": 3, "frustration": 1}  # C-F1 is no evaluator
    assert consensus["raters"] == {
        "E2": ["neutral"],
        "E3": ["neutral", "frustration"],
        "E4": ["neutral"],
    }
    assert consensus["raters_vad"]["E4"] == {"valence": 2.0, "arousal": 3.0, "dominance": 2.0}
    assert set(consensus["raters_vad"]) == {"E3", "E4"}


def test_the_speakers_own_report_is_self(iemocap, run):
    result = run("iemocap", iemocap)
    two = labels_of(result, "F000")["self"]
    assert two["emotion"] is None and two["raw"] == "Neutral; Anger"
    assert two["votes"] == {"neutral": 1, "anger": 1}
    assert two["vad"] == {"valence": 3.0, "arousal": 2.0, "dominance": 1.0}
    one = labels_of(result, "M001")["self"]
    assert (one["emotion"], one["raw"]) == ("frustration", "Frustration") and "vad" not in one


def test_the_other_actors_line_is_neither_self_nor_a_vote(iemocap, run):
    labels = labels_of(run("iemocap", iemocap), "FXX0")
    assert set(labels) == {"consensus"}
    assert labels["consensus"]["votes"] == {"excitement": 1}
    assert labels["consensus"]["raters"] == {"E2": ["excitement"], "M1": ["anger"]}


def test_no_agreement_is_null_and_off_scale_ratings_are_named(iemocap, run):
    result = run("iemocap", iemocap)
    consensus = labels_of(result, "M001")["consensus"]
    assert consensus["emotion"] is None and consensus["raw"] == "xxx"
    assert consensus["votes"] == {"excitement": 1, "surprise": 1, "other": 1}
    assert consensus["vad"] == {"valence": 2.5, "arousal": None, "dominance": 3.0}
    assert consensus["raters_vad"]["E3"]["valence"] is None  # left blank: no fault
    assert consensus["raters_vad"]["E4"]["arousal"] is None
    at = f"Session1/dialog/EmoEvaluation/{DIALOG}.txt"
    assert result.card["left_out"] == {
        "arousal off the scale of 1 to 5": [f"{at}:12", f"{at}:18"]
    }
    assert result.card["vad_scale"] == [1.0, 5.0]
    assert result.card["default_source"] == "consensus"


def test_audio_that_is_not_there_or_has_no_label_stops(iemocap, run, error, wav):
    sentences = iemocap / "Session1" / "sentences" / "wav" / DIALOG
    (sentences / f"{DIALOG}_M001.wav").unlink()
    wav(sentences / f"{DIALOG}_M099.wav")
    message = error("iemocap", iemocap)
    path = f"Session1/sentences/wav/{DIALOG}/{DIALOG}"
    assert "2 of 4 utterances cannot be used" in message
    assert f"1 missing: {path}_M001.wav" in message
    assert f"1 without a label: {path}_M099.wav" in message
    assert "--allow_partial" in message
    result = run("iemocap", iemocap, "--allow_partial")
    assert len(result.entries) == 2
    assert result.card["left_out"]["missing"] == [f"{path}_M001.wav"]


def test_macos_files_and_official_folders(iemocap, run):
    evaluations = iemocap / "Session1" / "dialog" / "EmoEvaluation"
    (evaluations / f"._{DIALOG}.txt").write_bytes(b"\0\5\26\7\xff\xfe[")
    (evaluations / "copy").mkdir()
    left_out = run("iemocap", iemocap).card["left_out"]
    assert left_out["macOS ._ file"] == [f"Session1/dialog/EmoEvaluation/._{DIALOG}.txt"]
    assert left_out["stray folder"] == ["Session1/dialog/EmoEvaluation/copy"]


def test_a_lost_label_line_costs_one_utterance_and_an_empty_file_all(iemocap, error):
    file = iemocap / f"Session1/dialog/EmoEvaluation/{DIALOG}.txt"
    name = file.relative_to(iemocap)
    file.write_text(EVALUATION.replace("\tneu\t[2.5000, 2.5000, 2.0000]", "\tne"))
    message = error("iemocap", iemocap)
    assert "1 of 3 utterances" in message and f"{DIALOG}_F000.wav" in message
    assert f"1 unreadable label line: {name}:3" in message
    file.write_text("")
    message = error("iemocap", iemocap)
    assert "3 without a label" in message and f"1 empty label file: {name}" in message


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("C-E2:\tNeutral;Bliss;\t()", "unknown emotion 'bliss'"),
        ("C-E2\tNeutral", "unreadable rating"),
        ("A-E3:\tval 3.2.1; act 2; dom 2;\t()", "unreadable rating"),
        ("A-M3:\tval 0; act 2; dom 2;\t()", "valence off the scale of 1 to 5"),
        ("\x00\x01garbage", "unreadable rating"),
    ],
)
def test_broken_rater_lines_are_named_and_the_turn_kept(tmp_path, line, kind):
    file = tmp_path / "e.txt"
    file.write_text(f"[1.0 - 2.0]\tSes01F_impro01_F000\thap\t[, x, 3]\n{line}\n")
    *problems, turn = read_evaluation(file, "e.txt")
    assert turn.consensus == "hap"
    assert turn.vad == {"valence": None, "arousal": None, "dominance": 3.0}
    assert [(p.kind, p.path) for p in problems] == [
        ("unreadable rating", "e.txt:1"),
        (kind, "e.txt:2"),
    ]


def test_a_wrong_folder_is_named_with_the_right_one(iemocap, run, error):
    message = error("iemocap", iemocap.parent)
    assert "no utterance under" in message and message.endswith(f"Did you mean {iemocap}?")
