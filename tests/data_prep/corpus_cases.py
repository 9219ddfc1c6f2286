"""Small copies of the corpora: their layouts, a few clips, and what the manifest says of them.

``{}`` in a layout stands for the name of each clip. ``files`` are label tables and other text.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """A corpus: one set of clips in several layouts."""

    layouts: tuple[str, ...]  # the official one first
    clips: dict[str, dict]  # name -> what its entry says; a label is the source's emotion
    files: dict[str, str] = field(default_factory=dict)
    source: str = "intended"
    rates_hz: dict[str, int] = field(default_factory=dict)


def clip(emotion: str | None, speaker: str | None = None, gender: str | None = None, **more):
    """What an entry says."""
    return {"emotion": emotion, "speaker": speaker, "gender": gender, **more}


CASES = {
    "ravdess": Case(
        (
            "Actor_01/{}.wav",
            "audio_speech_actors_01-24/Actor_01/{}.wav",
            "{}.wav",
            "RAVDESS/RAVDESS/Actor_24/{}.WAV",
        ),
        {
            "03-01-05-02-01-01-01": clip(
                "anger", "01", "male", intensity="high", text="Kids are talking by the door"
            ),
            "03-01-01-01-02-02-24": clip(
                "neutral", "24", "female", text="Dogs are sitting by the door"
            ),
            "03-01-02-01-02-02-24": clip("calm", "24", "female", intensity="medium"),
        },
    ),
    "emovo": Case(
        ("f1/{}.wav", "EMOVO/f1/{}.wav", "{}.flac"),
        {
            "gio-f1-b2": clip("happiness", "f1", "female", text="b2"),
            "pau-m3-n5": clip("fear", "m3", "male", text="n5"),
            "sor-m3-l4": clip("surprise", "m3", "male", text="l4"),
        },
    ),
    "urdu": Case(
        ("Angry/{}.wav", "URDU-Dataset/Angry/{}.wav", "{}.flac"),
        {
            "SM1_F19_A019": clip("anger", "SM1", "male", text=None),
            "SF10_F1_S01": clip("sadness", "SF10", "female"),
        },
        source="consensus",
    ),
    "tess": Case(
        (
            "OAF_angry/{}.wav",
            "TESS Toronto emotional speech set data/TESS Toronto emotional speech set data/"
            "OAF_Fear/{}.wav",
            "{}.wav",
        ),
        {
            "OAF_back_angry": clip("anger", "OAF", "female", text="back"),
            "YAF_back_ps": clip("surprise", "YAF", "female", text="back", raw="ps"),
            "OA_bite_neutral": clip("neutral", "OAF", "female", text="bite"),
        },
        rates_hz={"OAF_back_angry": 96000},
    ),
    "savee": Case(
        ("AudioData/{}.wav", "ALL/{}.wav", "AudioData/AudioData/{}.wav"),
        {
            "DC_a01": clip("anger", "DC", "male", text="a01"),
            "KL_sa02": clip("sadness", "KL", "male", text="sa02"),
            "KL_su02": clip("surprise", "KL", "male", text="su02"),
            "JE_n30": clip("neutral", "JE", "male", text="n30"),
        },
    ),
    "cafe": Case(
        ("Peur/Fort/{}.wav", "{}.wav", "CaFE_48k/Peur/{}.aiff"),
        {
            "12-P-2-5": clip("fear", "12", "female", text="5", intensity="high"),
            "01-C-1-1": clip("anger", "01", "male", text="1", intensity="low"),
            "01-N-1-1": clip("neutral", "01", "male", text="1"),
        },
    ),
    "subesco": Case(
        ("{}.wav", "SUBESCO/{}.wav", "SUBESCO/FEMALE/F_10/{}.wav"),
        {
            "F_10_FAHMEE_S_6_FEAR_5": clip("fear", "F_10", "female", text="S_6"),
            "M_10_RASEL_S_10_ANGRY_1": clip("anger", "M_10", "male", text="S_10"),
        },
    ),
    "aesdd": Case(
        ("anger/{}.wav", "Acted Emotional Speech Dynamic Database/anger/{}.wav", "{}.wav"),
        {
            "a03 (3)": clip("anger", "3", text="03"),
            "s20 (1)b": clip("sadness", "1", text=None),
            "d01 (5)": clip("disgust", "5", text="01"),
        },
    ),
}
