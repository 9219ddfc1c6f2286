"""The protocols corpus and language: each is the test set once, or is trained on alone."""

from collections import Counter

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data.corpora import CorpusSetting
from ser_brain.data.experiment import assemble, protocol_of
from ser_brain.data.labelling import LabelChoice
from ser_brain.data.splits import SplitSetting
from ser_brain.data.weighting import emotion_weights, source_weights
from tests.data.test_experiment import EMOTIONS, corpus

CHOICE = LabelChoice(EMOTIONS, {}, (1.0, 5.0), "corpus", "emotion")


def three():
    return [corpus(name, speakers=n) for name, n in (("one", 4), ("two", 6), ("three", 8))]


def across(corpora, fold=1, protocol="corpus", train_on="others"):
    setting = SplitSetting(protocol, 1, (0.6, 0.2, 0.2), fold=fold, train_on=train_on)
    data = assemble(corpora, setting, EMOTIONS)
    return data, str(protocol_of(data, setting, ("emotion",), CHOICE))


def test_each_corpus_is_the_test_set_once():
    for fold, name in enumerate(("one", "two", "three"), start=1):
        corpora = three()
        data, line = across(corpora, fold)
        others = [each for each in corpora if each.name != name]
        assert data.tests == {name: corpora[fold - 1].rows} and data.folds == 3
        assert {*data.train, *data.valid} == {i for each in others for i in each.rows}
        speakers = [{r["speaker"] for r in part.values()} for part in (data.train, data.valid)]
        assert not speakers[0] & speakers[1]
        assert {r["corpus"] for r in data.valid.values()} == {each.name for each in others}
        assert line.startswith(f"{others[0].name}+{others[1].name}/corpus-fold{fold}/")
        assert data.as_dict()["corpora"][name]["use"] == "test"


def test_one_corpus_is_trained_on_and_the_others_tested():
    data, line = across([*three(), corpus("four", use="test")], 2, train_on="one")
    assert {r["corpus"] for r in data.train.values()} == {"two"}
    assert list(data.tests) == ["one", "three", "four"]
    assert line.startswith("two/one-corpus-fold2/")


def test_languages_are_of_all_corpora_together():
    """A corpus of two languages has a test set for each of them."""
    mixed = corpus("mixed")
    for row in mixed.rows.values():
        row["language"] = (
            "deu" if row["speaker"] in ("mixed_0", "mixed_1", "mixed_2") else "eng"
        )
    corpora = [mixed, corpus("german", language="deu"), corpus("italian", language="ita")]
    data, line = across(corpora, 1, "language")
    assert list(data.tests) == ["mixed_deu", "german"] and data.folds == 3
    assert {r["language"] for r in data.train.values()} == {"eng", "ita"}
    assert line.startswith("mixed+italian/language-fold1/")


def test_a_speaker_of_the_test_set_is_not_trained_on():
    bilingual = corpus("both")
    for n, row in enumerate(bilingual.rows.values()):
        row["language"] = "eng" if row["speaker"] != "both_0" or n % 2 else "deu"
    data, _ = across([bilingual, corpus("other", language="ita")], 1, "language")
    assert {row["speaker"] for row in data.tests["both_deu"].values()} == {"both_0"}
    assert "both_0" not in {r["speaker"] for r in (data.train | data.valid).values()}
    assert bilingual.left_out["sharing a speaker with the test set"] == 3


def test_without_speakers_clips_validate(caplog):
    data, _ = across([corpus("one"), corpus("two", speaker=None)], 1)
    assert data.train and data.valid
    assert "two does not name two speakers" in caplog.text


@pytest.mark.parametrize(
    ("corpora", "fold", "protocol", "message"),
    [
        ([corpus()], 1, "corpus", "two or more lines .*; found only made"),
        ([corpus(), corpus("two")], 1, "language", "two or more languages; found only eng"),
        ([corpus(), corpus("two")], 3, "corpus", "Bad fold 3; expected 1 to 2"),
        ([corpus(), corpus("two", language=None)], 1, "language", "36 of two have none"),
        ([corpus(), corpus()], 1, "corpus", "two lines named made; use `where`"),
        ([corpus(emotions=["anger"]), corpus("b")], 2, "corpus", "sadness .found: anger 12"),
    ],
    ids=["one corpus", "one language", "fold", "no language", "twice", "class missing"],
)  # fmt: skip
def test_what_cannot_be_split(corpora, fold, protocol, message):
    with pytest.raises(SERError, match=message):
        across(corpora, fold, protocol)


def test_train_on_one_needs_several_corpora():
    with pytest.raises(SERError, match="train_on: one needs split: corpus or language"):
        SplitSetting("speaker", 1, train_on="one")


def test_corpora_weigh_alike_and_classes_within_them():
    """A large corpus, and one in which a class is rare, count as much as the others."""
    big, small = corpus("big", speakers=20), corpus("small", speakers=6)
    keep = [i for i, r in small.rows.items() if r["emotion"] == "anger" or "_0" in i]
    small.rows = {i: small.rows[i] for i in keep}
    data, _ = across([corpus("tested"), big, small])
    weight_of, value_weight = (
        emotion_weights(data.train, "balanced", False),
        source_weights(data.train),
    )
    total, of_values = Counter(), Counter()
    for row in data.train.values():
        total[row["corpus"], row["emotion"]] += weight_of(row)
        of_values[row["corpus"]] += value_weight(row)
    quarter = len(data.train) / 4
    assert dict(total) == pytest.approx(
        {(c, e): quarter for c in ("big", "small") for e in EMOTIONS}
    )
    assert dict(of_values) == pytest.approx(dict.fromkeys(("big", "small"), 2 * quarter))
    natural = emotion_weights(data.train, None, False, alike=False)
    assert {natural(row) for row in data.train.values()} == {1.0}


def test_a_corpus_name_stands_for_the_line():
    """Two lines of one corpus, told apart by `where`, are two corpora."""
    corpora = [corpus("made", prefix="a"), corpus("made", prefix="b")]
    for language, each in zip(("eng", "deu"), corpora, strict=True):
        each.setting = CorpusSetting("made", where={"language": language})
        each.name = f"made_{language}"
        for row in each.rows.values():
            row |= {"language": language, "speaker": f"{language}_{row['speaker']}"}
            row["duration"] += language == "deu" and 0.0001
    data, _ = across(corpora, 2)
    assert list(data.tests) == ["made_deu"]
    assert {row["source"] for row in data.train.values()} == {"made_eng"}
