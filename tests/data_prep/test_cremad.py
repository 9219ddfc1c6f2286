"""CREMA-D: intended and rated emotions, ties, and the tables' own ways of writing."""

import shutil

import pytest

CLIPS = ("1001_IEO_HAP_LO", "1001_IEO_ANG_MD", "1002_ITH_SAD_XX", "1040_ITH_SAD_X")
SUMMARY = """"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel",\
"MultiModalVote","MultiModalLevel"
"1","1001_IEO_HAP_LO","N","71.67","H","57","H","57.38"
"2","1001_IEO_ANG_MD","A:D","37.20:58.60","A","60.5","A","72"
"3","1002_ITH_SAD_XX","N","60","A:F:N","30:51:12","S","63.5"
"4","1040_ITH_SAD_XX","S","55","S","70","S","80"
"""
VOTES = """"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote",\
"meanEmoResp"
"100002",0,0,0,3,6,0,"1001_IEO_HAP_LO",9,0.667,"N",62
"200002",0,0,0,9,1,0,"1001_IEO_HAP_LO",10,0.9,"H",57
"300002",0,0,0,8,2,0,"1001_IEO_HAP_LO",10,0.8,"H",57.38
"100009",5,5,0,0,1,1,"1001_IEO_ANG_MD",12,0.417,"A:D",50.6
"100054",0,0,0,0,1,8,"1040_ITH_SAD_XX",9,0.889,"S",NA
"""
PEOPLE = """"ActorID","Age","Sex","Race","Ethnicity"
1001,51,"Male","Caucasian","Not Hispanic"
1002,21,"Female","Unknown","Hispanic"
1040,42,"Male","Caucasian","Not Hispanic"
"""


@pytest.fixture
def cremad(tmp_path, wav):
    folder = tmp_path / "CREMA-D"
    for clip in CLIPS:
        wav(folder / "AudioWAV" / f"{clip}.wav")
    (folder / "processedResults").mkdir()
    (folder / "processedResults" / "summaryTable.csv").write_text(SUMMARY)
    (folder / "processedResults" / "tabulatedVotes.csv").write_text(VOTES)
    (folder / "VideoDemographics.csv").write_text(PEOPLE)
    (folder / "README.md").write_text("# CREMA-D")
    (folder / "VideoFlash").mkdir()
    return folder


def entry_of(result, clip):
    return result.manifest[f"cremad_{clip}"]


def test_names_and_demographics(cremad, run):
    result = run("cremad", cremad)
    entry = entry_of(result, "1001_IEO_HAP_LO")
    assert (entry["speaker"], entry["gender"], entry["text"]) == ("cremad_1001", "male", "IEO")
    intended = entry["labels"]["intended"]
    assert intended == {"emotion": "happiness", "raw": "HAP", "intensity": "low"}
    assert "intensity" not in entry_of(result, "1002_ITH_SAD_XX")["labels"]["intended"]
    card = result.card
    assert card["speakers"]["cremad_1002"]["age"] == 21 and card["left_out"] == {}
    assert card["default_source"] == "intended"


def test_what_raters_said_of_voice_face_and_both(cremad, run):
    labels = entry_of(run("cremad", cremad), "1001_IEO_HAP_LO")["labels"]
    assert labels["rated_voice"] == {
        "emotion": "neutral",
        "raw": "N",
        "votes": {"happiness": 3, "neutral": 6},
        "level": {"neutral": 71.67},
    }
    assert labels["rated_face"]["votes"] == {"happiness": 9, "neutral": 1}
    assert labels["rated_av"]["votes"] == {"happiness": 8, "neutral": 2}
    assert labels["rated_av"]["emotion"] == "happiness"


def test_a_tie_is_no_emotion_and_keeps_its_votes(cremad, run):
    result = run("cremad", cremad)
    tie = entry_of(result, "1001_IEO_ANG_MD")["labels"]["rated_voice"]
    assert tie["emotion"] is None and tie["raw"] == "A:D"
    assert tie["votes"] == {"anger": 5, "disgust": 5, "neutral": 1, "sadness": 1}
    assert tie["level"] == {"anger": 37.2, "disgust": 58.6}
    three = entry_of(result, "1002_ITH_SAD_XX")["labels"]["rated_face"]
    assert three["emotion"] is None
    assert three["votes"] == {"anger": 1, "fear": 1, "neutral": 1}  # not in tabulatedVotes
    assert result.card["counts"]["emotions"]["rated_voice"]["none"] == 1
    other = entry_of(result, "1040_ITH_SAD_X")["labels"]  # 1040_ITH_SAD_XX in the tables
    assert other["rated_voice"]["votes"] == {"neutral": 1, "sadness": 8}
    assert other["rated_av"]["emotion"] == "sadness"


def test_tables_are_optional_and_their_absence_is_said(cremad, run):
    (cremad / "processedResults" / "summaryTable.csv").unlink()
    labels = entry_of(run("cremad", cremad), "1001_IEO_ANG_MD")["labels"]
    assert labels["rated_voice"]["raw"] == "A:D" and labels["rated_voice"]["emotion"] is None
    assert "rated_face" not in labels
    shutil.rmtree(cremad / "processedResults")
    (cremad / "VideoDemographics.csv").unlink()
    result = run("cremad", cremad)
    for said in (
        "VideoDemographics.csv; genders and ages are unknown",
        "summaryTable.csv; rated emotions and their intensities are unknown",
        "tabulatedVotes.csv; counts of votes are unknown",
    ):
        assert result.err.count(said) == 1
    entry = entry_of(result, "1001_IEO_HAP_LO")
    assert entry["gender"] is None and set(entry["labels"]) == {"intended"}


def test_a_flat_copy(cremad, run):
    """Issue 13, 25: audio and tables in one folder, as many copies are."""
    header, rows = VOTES.split("\n", 1)  # columns in any case
    (cremad / "processedResults" / "tabulatedVotes.csv").write_text(f"{header.upper()}\n{rows}")
    for folder in ("AudioWAV", "processedResults"):
        for path in (cremad / folder).iterdir():
            path.rename(cremad / path.name)
        (cremad / folder).rmdir()
    result = run("cremad", cremad)
    assert len(result.manifest) == len(CLIPS)
    entry = entry_of(result, "1001_IEO_HAP_LO")
    assert entry["wav"] == "{data_root}/1001_IEO_HAP_LO.wav" and entry["gender"] == "male"
    assert entry["labels"]["rated_voice"]["votes"] == {"happiness": 3, "neutral": 6}
    assert result.card["left_out"] == {} and "are unknown" not in result.err


def test_a_rated_clip_without_audio_is_missing(cremad, error):
    (cremad / "AudioWAV" / "1002_ITH_SAD_XX.wav").unlink()
    assert "1 missing: AudioWAV/1002_ITH_SAD_XX.wav" in error("cremad", cremad)


def test_the_clip_that_is_silent_in_every_copy_does_not_stop(cremad, run, wav):
    wav(cremad / "AudioWAV" / "1076_MTI_SAD_XX.wav", level=0)
    result = run("cremad", cremad)
    assert "cremad_1076_MTI_SAD_XX" not in result.manifest
    assert result.card["left_out"] == {
        "known bad (silent in every copy)": ["AudioWAV/1076_MTI_SAD_XX.wav"]
    }
    wav(cremad / "AudioWAV" / "1076_MTI_SAD_XX.wav")  # a repaired copy
    assert "cremad_1076_MTI_SAD_XX" in run("cremad", cremad).manifest


def test_one_recording_under_two_emotions_is_told_of(cremad, run):
    audio = cremad / "AudioWAV"
    shutil.copy(audio / "1001_IEO_HAP_LO.wav", audio / "1001_IEO_NEU_XX.wav")
    result = run("cremad", cremad)
    same = ["cremad_1001_IEO_HAP_LO", "cremad_1001_IEO_NEU_XX"]
    assert f"recordings under several names, 1: {' = '.join(same)}" in result.err
    assert result.card["same_audio"] == [same]


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("summaryTable.csv", '"VoiceVote"', '"Voice"', "has no column 'voicevote'; its colu"),
        ("summaryTable.csv", '"N","71.67"', '"Q","71.67"', "cannot read the voice rating 'Q'"),
        ("summaryTable.csv", "71.67", "loud", "cannot read the voice rating 'N' of 1001_IEO_H"),
        ("tabulatedVotes.csv", "0,0,0,3,6", "0,0,0,x,6", "cannot read the voice rating"),
        ("tabulatedVotes.csv", '"100002"', '"2"', "row '2' of 1001_IEO_HAP_LO; expected row"),
        ("tabulatedVotes.csv", '"N",62', '"N"', "line 2: 11 cells where the header has 12"),
    ],
)
def test_damaged_tables_are_named(cremad, error, table, old, new, message):
    path = cremad / "processedResults" / table
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    assert message in error("cremad", cremad)


def test_lfs_stubs(cremad, error):
    stub = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    for clip in CLIPS:
        (cremad / "AudioWAV" / f"{clip}.wav").write_text(stub)
    message = error("cremad", cremad)
    assert "4 of 4 utterances cannot be used (4 git-LFS stub: AudioWAV/1001_IEO" in message
    assert "--allow_partial" not in message  # nothing would be left
    (cremad / "processedResults" / "summaryTable.csv").write_text(stub)
    assert "summaryTable.csv is a git-LFS stub" in error("cremad", cremad)
