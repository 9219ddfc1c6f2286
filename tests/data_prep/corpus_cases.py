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
    paths: dict[str, str] = field(default_factory=dict)  # of clips with other names in a layout
    left_out: dict[str, list[str]] = field(default_factory=dict)


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
        ("ALL/{}.wav", "{}.wav"),
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
    "nemo": Case(
        ("samples/{}.wav", "nEMO/nEMO/samples/{}.wav", "{}.wav"),
        {
            "SB0_anger_0": clip("anger", "SB0", "female", text="Idę do domu."),
            "WR0_surprised_64": clip("surprise", "WR0", "male", text="Nie wiem."),
        },
        {
            "data.tsv": "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
            "SB0_anger_0.wav\tanger \tIdę do domu. \tidę do domu\tSB0 \tfemale \t24 \n"
            "WR0_surprised_64.wav\tsurprised\tNie wiem.\tnie wiem\t        WR0\tmale\t23\n"
        },
    ),
    "jl": Case(
        (
            "Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/{}.wav",
            "archive/Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/{}.wav",
            "{}.wav",
        ),
        {
            "male1_angry_10a_1": clip("anger", "male1", "male", text="10"),
            "female2_assertive_3b_2": clip("assertive", "female2", "female", text="3"),
            "female2_excited_3b_2": clip("excitement", "female2", "female"),
        },
    ),
    "esd": Case(
        ("0011/Angry/{}.wav", "ESD/Emotion Speech Dataset/0011/Angry/test/{}.wav", "{}.wav"),
        {
            "0011_000351": clip(
                "anger", "0011", "male", language="eng", text="The nine the eggs, I keep."
            ),
            "0011_000700": clip("anger", "0011", "male", text="eng sentence 350"),
            "0001_000352": clip(
                "anger", "0001", "female", language="zho", text="zho sentence 2"
            ),
        },
        {"0011/0011.txt": "\ufeff0011_000351\tThe nine the eggs, I keep.\tAngry\n"},
    ),
    "msp_podcast": Case(
        ("Audios/{}.wav", "MSP-Podcast/Audios/Audios/{}.wav", "{}.wav"),
        {
            "MSP-PODCAST_0001_0008": clip(
                "neutral",
                "127",
                "male",
                split="valid",
                votes={"neutral": 2, "other": 1},
                vad={"valence": 4.6, "arousal": 3.0, "dominance": 4.2},
            ),
            "MSP-PODCAST_0002_0033": clip(None, None, None, raw="X", split="test"),
            "MSP-PODCAST_0002_0034": clip("other", "9", "female", partition="Test2"),
            "MSP-PODCAST_4000_0001_0002": clip(None, None, None, raw=None, split="test"),
        },
        {
            "Labels/labels_concensus.csv": "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,"
            "Gender,Split_Set\nMSP-PODCAST_0001_0008.wav,N,3.0,4.6,4.2,127,Male,Development\n"
            "MSP-PODCAST_0002_0033.wav,X,3.0,4.6,4.2,Unknown,Unknown,Test1\n"
            "MSP-PODCAST_0002_0034.wav,O,3.0,4.6,4.2,9,Female,Test2\n"
            "MSP-PODCAST_4000_0001_0002.wav,,,,,,,Test3\n",
            "Labels/labels_detailed.csv": "FileName,EmoDetail\n"
            'MSP-PODCAST_0001_0008.wav,"W1; Neutral; Neutral,Happy; A:3; V:5; D:4;"\n'
            'MSP-PODCAST_0001_0008.wav,"W2; Neutral; A:3; V:4; D:4;"\n'
            'MSP-PODCAST_0001_0008.wav,"W3; Other-Annoyed; A:3; V:5; D:5;"\n',
        },
        source="consensus",
        rates_hz={"MSP-PODCAST_0002_0033": 44100},
    ),
    "meld": Case(
        ("{}.wav", "MELD.Raw/{}.wav"),
        {
            "train_dia0_utt0": clip(
                "neutral", "Ross", "male", text="It's", group="train_dia0", split="train"
            ),
            "dev_dia0_utt0": clip("happiness", None, None, split="valid", sentiment="positive"),
            "test_dia0_utt0": clip("fear", "The Waiter", None, split="test", raw="fear"),
        },
        {
            f"{split}_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,"
            f"Utterance_ID\n1,{line},0,0\n{more}"
            for split, line, more in (
                ("train", "It\x92s,Ross,neutral,neutral", "2,No,Joey,anger,negative,125,3\n"),
                ("dev", '"Hi, you",Ross and Joey,joy,positive', ""),
                ("test", "Sir?,The Waiter,fear,negative", ""),
            )
        },
        source="consensus",
        paths={
            "train_dia0_utt0": "train_splits/dia0_utt0",
            "dev_dia0_utt0": "dev_splits_complete/dia0_utt0",
            "test_dia0_utt0": "test/output_repeated_splits_test/audio/dia0_utt0",
        },
        left_out={"missing": ["train_dia125_utt3"]},
    ),
    "msp_improv": Case(
        (
            "Audio/session1/S01A/P/{}.wav",
            "MSP-IMPROV/Audio/session1/S01A/P/{}.wav",
            "{}.wav",
        ),
        {
            "MSP-IMPROV-S01A-F01-P-FM01": clip(
                "happiness",
                "F01",
                "female",
                group="01",
                votes={"happiness": 1, "other": 1},
                vad={"valence": 2.1, "arousal": 4.2, "dominance": None},
            ),
            "MSP-IMPROV-S01A-F01-S-MF02": clip(None, "M01", "male", group="01", raw="X"),
            "MSP-IMPROV-S01A-F02-R-FF01": clip("anger", "F02", "female", group="02"),
        },
        {
            "Evalution.txt": "UTD-IMPROV-S01A-F01-P-FM01.avi; H; A:4.2; V:2.1; D:NaN; N:4.4;\n"
            "W1; Happy; Happy; A:4; V:2; D:4; N:4;\nW2; Other(bored); A:4; V:2; D:4;\n\n"
            "UTD-IMPROV-S01A-F01-S-MF02.avi; X; A:4.2; V:2.1; D:4.0; N:4.4;\n"
            "UTD-IMPROV-S01A-F02-R-FF01.avi; A; A:4.2; V:2.1; D:4.0; N:4.4;\n"
        },
        source="consensus",
    ),
    "emozionalmente": Case(
        ("audio/{}.wav", "emozionalmente_dataset/audio/{}.wav", "{}.wav"),
        {
            "12": clip(
                "happiness",
                "anna",
                "female",
                split="valid",
                text="Vorrei il numero.",
                labels={
                    "intended": {"emotion": "happiness", "raw": "joy"},
                    "consensus": {
                        "emotion": "neutral",
                        "raw": None,
                        "votes": {"neutral": 2, "happiness": 1},
                        "bad_audio": 1,
                    },
                },
            ),
            "13": clip("neutral", "ugo", "male", split=None),
        },
        {
            "metadata/samples.csv": "file_name,sentence,actor,emotion_expressed\n"
            "12.wav,Vorrei il numero.,anna,joy\n13.wav,Vorrei il numero.,ugo,neutrality\n",
            "metadata/users.csv": "username,gender,age,mother_tongue\n"
            "anna,Female,31,italian\nugo,Male,,italian\nzoe,Female,20,italian\n",
            "metadata/evaluations.csv": "file_name,evaluator,audio_quality,emotion_recognized\n"
            "12.wav,a,good,neutrality\n12.wav,b,bad,joy\n12.wav,c,good,neutrality\n",
            "metadata/split/dev.csv": "file_name,actor\n12.wav,anna\n",
        },
        rates_hz={"13": 44100},
    ),
    "ased": Case(
        ("05Angry/{}.wav", "ASED_V1/05Angry/{}.wav", "{}.wav"),
        {
            "a5-02-01-01-33": clip("anger", "33", "female", text="a-02"),
            "n1-02-01-02-34": clip("neutral", "34", "male", text="n-02"),
            "n1-07-01-02-34": clip("neutral", "34", "male", text="07"),
        },
    ),
    "turev": Case(
        ("Sound Source/Angry/{}.wav", "TurEV-DB/Sound Source/Calm/{}.wav", "{}.wav"),
        {
            "1157_kz_beste": clip("anger", "1157", text="beste", raw="kz"),
            "6783_sk_Algi": clip("calm", "6783", text="algi"),
            "1234_mt_acik": clip("happiness", "1234"),
            "7895_hl_acik": clip("sadness", "7895", text="acik"),
        },
    ),
    "quechua": Case(
        ("Audios/{}.wav", "Audios/Audios/{}.wav", "{}.wav"),
        {
            "10415": clip("boredom", "a1", "female", text="T043", raw="bored"),
            "22210": clip(
                "sleepy",
                None,
                None,
                text="T002",
                labels={
                    "intended": {"emotion": "sleepy", "raw": "sleepy"},
                    "consensus": {
                        "emotion": None,
                        "raw": None,
                        "vad": {"valence": 2.5, "arousal": 2.0, "dominance": 3.0},
                        "ratings": {
                            "valence": [2.0, 3.0],
                            "arousal": [2.0, 2.0, 2.0, 2.0],
                            "dominance": [3.0, 3.0, 3.0],
                        },
                    },
                },
            ),
        },
        {
            "Data/Data/Data.csv": "Audio,File,Emotion,Actor\n10415,a1_To43_b,bored,a1\n"
            "22210,a9_T002_s,sleepy,a9\n",
            "Labels/Labels/Valence.csv": "Audio,N1,N2,N3,N4\n10415,1,1,1,1\n22210,2,3,,22210\n",
            "Labels/Labels/Arousal.csv": "Audio,N1,N2,N3,N4\n10415,1,1,1,1\n22210,2,2,2,2\n",
            "Labels/Labels/Dominance.csv": "Audio,N1,N2,N3,N4\n10415,1,1,1,1\n22210,3,3,3,\n",
        },
        left_out={"rating off the scale 1 to 5": ["Valence.csv: 22210"]},
    ),
    "resd": Case(
        ("{}.wav", "RESD/{}.wav"),
        {
            "train_06_happiness_enthusiasm e_010": clip(
                "enthusiasm", None, None, split="train", group="06"
            ),
            "test_27_neutral_fear_n_100": clip("neutral", None, split="test", group="27"),
        },
        {
            "train.csv": "name,path,emotion\n06_happiness_enthusiasm e_010,"
            "06_happiness_enthusiasm/06_happiness_enthusiasm e_010.wav,enthusiasm\n",
            "test.csv": "name,path,emotion\n"
            "27_neutral_fear_n_100,neutral_fear_27/27_neutral_fear_n_100.wav,neutral\n",
        },
        paths={
            "train_06_happiness_enthusiasm e_010": "train/06_happiness_enthusiasm/"
            "06_happiness_enthusiasm e_010",
            "test_27_neutral_fear_n_100": "test/27_neutral_fear_n_100",
        },
    ),
    "dusha": Case(
        ("crowd_train/wavs/{}.wav", "Dusha/crowd/crowd_train/wavs/{}.wav"),
        {
            "0a" * 16: clip(
                "happiness",
                "crowd_7",
                None,
                split="train",
                text="включи музыку",
                votes={"happiness": 2, "neutral": 1},
                labels={
                    "consensus": {
                        "emotion": "happiness",
                        "raw": None,
                        "votes": {"happiness": 2, "neutral": 1},
                    },
                    "intended": {"emotion": "neutral", "raw": "neutral"},
                },
            ),
            "0b" * 16: clip(None, "crowd_8", None, votes={"anger": 1, "other": 1}),
        },
        {
            "crowd_train/raw_crowd_train.tsv": "hash_id\taudio_path\tannotator_emo\t"
            "golden_emo\tspeaker_text\tspeaker_emo\tsource_id\n"
            + "".join(
                f"{name * 16}\twavs/x.wav\t{emotion}\t\t{said}\tneutral\t{speaker}\n"
                for name, emotion, said, speaker in (
                    ("0a", "positive", "включи музыку", 7),
                    ("0b", "angry", "", 8),
                    ("0a", "neutral", "включи музыку", 7),
                    ("0a", "positive", "включи музыку", 7),
                    ("0b", "other", "", 8),
                )
            ),
            "podcast_train/raw_podcast_train.jsonl": '{"hash_id": "0c"}\n',
        },
        source="consensus",
    ),
    "emodb2": Case(
        ("wav/{}.wav", "audio/{}xx.wav", "{}.wav"),
        {
            "03a01Fa": clip("happiness", "03", "male", text="a01", naturalness=0.8),
            "16b10Tb": clip("sadness", "16", "female", text="b10", recognition_rate=0.55),
        },
        {
            "listener_judgements.txt": "sample\trecognized\tnatural\n"
            "03a01Fa.wav\t90,00\t80,00\n16b10Tbxx.wav\t55,00\t40,00\n"
        },
    ),
    "shemo_corrected": Case(
        ("female/{}.wav", "{}.wav"),
        {
            "F21W09": clip("fear", "F21", "female", text="فرانسه؟", raw="fear"),
            "M01A01": clip("anger", "M01", "male", text=None),
        },
        {
            "modified_shemo.json": '{"F21W99.wav": {"speech_name": "F21W09", "emotion": '
            '"fear", "transcript": "فرانسه؟"}, "M01A01.wav": {"speech_name": "M01A01", '
            '"emotion": "anger", "transcript": ""}}',
            "shemo.json": "not read",
        },
        source="consensus",
        rates_hz={"F21W09": 44100, "M01A01": 44100},
    ),
}
