"""ser adapt and EmotionRecognizer.enrol: a model of one linear head, moved to new clips."""

import csv
import json
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from data_prep.__main__ import main as prepare
from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.inference.adapting import embed_clips, head_of
from ser_brain.inference.inputs import Input
from ser_brain.inference.labelled_clips import Clip, read_clips, read_labelled
from ser_brain.inference.model_folder import load_model
from ser_brain.models.adaptation import LinearAdapter
from ser_brain.publishing.adapt import adapt
from ser_brain.publishing.card import CARD
from ser_brain.publishing.contents import read_contents
from ser_brain.publishing.fine_tune import _folds
from ser_brain.training.adapted import Adapter, head_fitter
from ser_brain.training.run import ADAPTER
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import EMOTIONS, write_corpus

NAMES = list(EMOTIONS)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("adapting") / "corpus", speakers=6)


@pytest.fixture(scope="module")
def model(corpus):
    """A random model, and an adapter that was learned from the corpus itself."""
    folder = corpus.parent / "model"
    write_model(folder, "compact", emotions=NAMES, va_range=None, pooling="mean_std")
    clips = read_labelled(corpus / "labels.csv", NAMES)
    recognizer = EmotionRecognizer.from_pretrained(folder, device="cpu")
    embeddings_ND, _ = embed_clips(recognizer, [clip.sound for clip in clips])
    classes = torch.tensor([NAMES.index(clip.emotion) for clip in clips])
    speakers = [clip.speaker for clip in clips]
    corpora = [speaker < "s3" for speaker in speakers]
    linear = LinearAdapter.fit(head_fitter(4), embeddings_ND, classes, corpora, speakers)
    Adapter(linear, True).save(folder / ADAPTER)
    return folder


@pytest.fixture
def bare(model, tmp_path):
    """The same model without an adapter."""
    folder = tmp_path / "bare"
    write_model(folder, "compact", emotions=NAMES, va_range=None, pooling="mean_std")
    return folder


def test_a_class_of_its_own_is_found_in_any_case(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,emotion\na.wav,Ärger\nb.wav,joy\nc.wav,Sad\n", encoding="utf-8")
    found = read_labelled(table, ["Ärger", "joy", "sadness"])
    assert [clip.emotion for clip in found] == ["Ärger", "joy", "sadness"]


def test_predictions_adapt_in_the_order_of_time(model, corpus, tmp_path, capsys):
    """The tenth clip is scored as by enrol() with ten; later clips change no earlier row."""
    paths = [str(clip.sound.path) for clip in read_labelled(corpus / "labels.csv", NAMES)]
    texts = []
    for count in (1, 10, 24):
        out = tmp_path / f"{count}.csv"
        command = ["predict", *paths[:count], "--model", str(model), "--adapt"]
        assert main([*command, "--out", str(out)]) == 0
        texts.append(out.read_bytes())
    assert texts[1].startswith(texts[0]) and texts[2].startswith(texts[1])
    tenth = list(csv.DictReader(texts[1].decode().splitlines()))[-1]
    plain = EmotionRecognizer.from_pretrained(model, device="cpu")
    enrolled = plain.enrol(paths[:10]).predict(paths[9])["probabilities"]
    found = [float(tenth[f"p_{name}"]) for name in NAMES]
    assert found == pytest.approx([enrolled[name] for name in NAMES], abs=2e-6)
    assert tenth["adapted_to"] == "10"
    assert tenth["unadapted_emotion"] == plain.predict(paths[9])["emotion"]
    out = tmp_path / "10.csv"  # more files, of which some are done
    command = ["predict", *paths[:12], "--model", str(model), "--adapt", "--out", str(out)]
    capsys.readouterr()
    assert main(command) == 2
    assert "--adapt needs all pieces in their order" in capsys.readouterr().err


def test_labelled_clips_make_a_better_model(bare, corpus, tmp_path, capsys):
    before = load_model(bare)[1].state_dict()
    command = ["adapt", str(bare), "--labelled", str(corpus / "labels.csv"), "--json"]
    assert main([*command, "--out", str(tmp_path / "new")]) == 0
    found = json.loads(capsys.readouterr().out)["adapted"]
    assert (found["labelled_clips"], found["speakers"], found["speaker"]) == (48, 6, None)
    assert found["judged"]["clips"] == 48 and found["judged"]["count"] == 6
    assert found["judged"]["after"]["value"] > found["judged"]["before"]["value"] + 0.3
    assert found["judged"]["difference"]["low"] > 0
    config, new = load_model(tmp_path / "new")
    assert config.card["adapted"] == found
    after = new.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"emotion_head.linear.weight", "emotion_head.linear.bias"}
    right = [
        EmotionRecognizer.from_pretrained(tmp_path / "new").predict(clip.sound.path)["emotion"]
        == clip.emotion
        for clip in read_labelled(corpus / "labels.csv", NAMES)[::6]
    ]
    assert sum(right) >= 6
    text = (tmp_path / "new" / "README.md").read_text()
    assert "adapted to 48 labelled clips" in text and "**before** it was adapted" in text


def test_the_card_stays_one_that_a_hub_reads(bare, corpus, tmp_path):
    results = [{"name": "tiny", "results": [{"metrics": [{"type": "recall", "value": 0.9}]}]}]
    facts = {"language": ["deu"], "model-index": results}
    text = "# tiny compact\n\n![Confusion](figures/tiny.png)\n"
    (bare / CARD).write_text(f"---\n{yaml.safe_dump(facts)}---\n{text}")
    (bare / "figures").mkdir()
    (bare / "figures" / "tiny.png").write_bytes(b"picture")
    adapt(bare, tmp_path / "new", [], read_labelled(corpus / "labels.csv", NAMES))
    _, front, text = (tmp_path / "new" / CARD).read_text().split("---\n")
    empty = [{"name": "tiny compact-adapted", "results": []}]  # the results are of before
    assert yaml.safe_load(front) == {"language": ["deu"], "model-index": empty}
    assert text.startswith("# tiny compact-adapted\n\n## Adapted\n") and text.endswith(
        "figures/tiny.png)\n"
    )
    files, skipped = read_contents(tmp_path / "new")
    assert "figures/tiny.png" in [file.name for file in files] and not skipped


def test_the_card_does_not_offer_a_graph_that_is_not_there(bare, corpus, tmp_path):
    graph = "\nWith ONNX Runtime. Mono:\n\n```python\nimport onnxruntime\n```\n"
    (bare / CARD).write_text(f"---\ntags:\n- audio\n- onnx\n---\n# tiny\n{graph}\n## Data\n")
    adapt(bare, tmp_path / "new", [], read_labelled(corpus / "labels.csv", NAMES))
    text = (tmp_path / "new" / CARD).read_text()
    assert "onnx" not in text.lower() and "- audio\n" in text and text.endswith("## Data\n")


def test_an_adapted_model_is_not_adapted_again(bare, corpus, tmp_path):
    clips = read_labelled(corpus / "labels.csv", NAMES)
    adapt(bare, tmp_path / "new", [], clips)
    for unlabelled, labelled in ([], clips), (clips, []):
        with pytest.raises(SERError, match="adapted already.* original model, tiny compact"):
            adapt(tmp_path / "new", tmp_path / "again", unlabelled, labelled)
    assert not (tmp_path / "again").exists()


def test_a_clip_is_read_once_however_often_it_is_named(model, corpus, tmp_path):
    read = Counter()

    class Counted(Input):
        def read(self, longest_s):
            read[self.name] += 1
            return super().read(longest_s)

    def counted():
        found = read_labelled(corpus / "labels.csv", NAMES)
        return [replace(c, sound=Counted(c.sound.name, c.sound.path)) for c in found]

    given = {"unlabelled": counted(), "labelled": counted()[:24], "test": counted()[24:]}
    facts = adapt(model, tmp_path / "new", **given).config.card["adapted"]
    assert (facts["unlabelled_clips"], facts["labelled_clips"]) == (24, 24)
    assert facts["judged"]["clips"] == 24
    assert len(read) == 48 and set(read.values()) == {1}
    with pytest.raises(SERError, match="1 of the 25 test clips are among the labelled ones"):
        adapt(model, tmp_path / "no", **{**given, "test": counted()[23:]})


def test_an_encoder_is_not_fine_tuned_where_the_head_alone_does_as_well(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", speakers=9, clips=3)
    write_model(tmp_path / "model", "whisper", emotions=NAMES, va_range=None)
    clips = read_labelled(corpus / "labels.csv", NAMES)
    with pytest.raises(SERError) as found:
        adapt(tmp_path / "model", tmp_path / "new", labelled=clips, lora=True)
    for part in (
        "Fine-tuning the encoder does not help, so nothing was written. UAR on 108 clips",
        "before: the head alone): 1.000 [1.000, 1.000] before, ",
        "resampled: 9 speakers. Leave out --lora.",
    ):
        assert part in str(found.value)
    assert not (tmp_path / "new").exists()


def test_clips_are_held_out_by_speakers_if_all_are_known():
    class_N = np.arange(100) % 4
    for known in (True, False):
        clips = [Clip(Input(str(n)), f"s{n % 5}" if known or n else None) for n in range(100)]
        folds = _folds(clips, class_N)
        assert sorted(np.concatenate([held for _, held in folds])) == [*range(100)]
        for kept, held in folds:
            assert sorted([*kept, *held]) == [*range(100)]
            assert set(class_N[held]) == {0, 1, 2, 3}
            shared = {n % 5 for n in kept} & {n % 5 for n in held}
            assert shared == (set() if known else {0, 1, 2, 3, 4})


def test_what_does_not_help_is_refused(bare, corpus, tmp_path):
    rows = list(csv.reader((corpus / "labels.csv").open()))
    emotions = [row[1] for row in rows[1:]]
    random.Random(1).shuffle(emotions)
    lines = [f"{row[0]},{e}" for row, e in zip(rows[1:], emotions, strict=True)]
    table = corpus / "random.csv"
    table.write_text("\n".join(["file,label", *lines]))
    clips = read_labelled(table, NAMES)
    with pytest.raises(SERError, match=r"does not help, .*UAR on 48 clips .* after, diff"):
        adapt(bare, tmp_path / "new", labelled=clips, test=clips[:0])
    assert not (tmp_path / "new").exists()


def test_unlabelled_clips_move_the_head_and_one_clip_does_not(model, corpus, tmp_path):
    plain = EmotionRecognizer.from_pretrained(model, device="cpu")
    clips = read_clips([str(corpus)], NAMES, "anna")
    done = adapt(model, tmp_path / "anna", clips, speaker="anna")
    facts = done.config.card["adapted"]
    assert facts["unlabelled_clips"] == 48 and facts["speaker"] == "anna"
    assert done.judged is None and ADAPTER not in done.files
    enrolled = plain.enrol(corpus)
    written = EmotionRecognizer.from_pretrained(tmp_path / "anna", device="cpu")
    one = str(clips[0].sound.path)
    np.testing.assert_allclose(
        list(enrolled.predict(one)["probabilities"].values()),
        list(written.predict(one)["probabilities"].values()),
        atol=1e-5,
    )
    adapter = plain.adapter()
    head = adapter.linear.adapt(torch.zeros(1, len(adapter.linear.center_D)), ["x"]).plain
    alone = head_of(plain.enrol([one]).model)
    torch.testing.assert_close(alone[0], head[0].float().double())


def test_a_model_of_one_corpus_says_why_clips_without_labels_do_not_adapt_it(
    bare, corpus, tmp_path, capsys
):
    recognizer = EmotionRecognizer.from_pretrained(bare, device="cpu")
    clips = read_labelled(corpus / "labels.csv", NAMES)
    x_ND, _ = embed_clips(recognizer, [clip.sound for clip in clips])
    classes = torch.tensor([NAMES.index(clip.emotion) for clip in clips])
    speakers = [clip.speaker for clip in clips]
    linear = LinearAdapter.fit(head_fitter(4), x_ND, classes, ["one"] * len(clips), speakers)
    Adapter(linear, True).save(bare / ADAPTER)
    said = "was trained on a single corpus"
    with pytest.raises(SERError, match=said):
        EmotionRecognizer.from_pretrained(bare, device="cpu").enrol(corpus)
    command = ["adapt", str(bare), "--out", str(tmp_path / "new"), "--unlabelled", str(corpus)]
    assert main(command) == 2 and said in capsys.readouterr().err
    assert main([*command, "--labelled", str(corpus / "labels.csv")]) == 0
    command = ["predict", str(corpus), "--model", str(bare), "--adapt"]
    assert main(command) == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["--out", "OUT"], "Nothing to adapt to; give --unlabelled"),
        (["--out", "OUT", "--unlabelled", "CORPUS"], "carries no adaptation.safetensors"),
        (["--out", "MODEL/new", "--unlabelled", "CORPUS"], "is inside the model"),
        (["--out", "CORPUS", "--unlabelled", "CORPUS"], "exists and is not empty"),
        (["--out", "OUT", "--lora", "--unlabelled", "CORPUS"], "needs labelled clips"),
        (
            ["--out", "OUT", "--lora", "--labelled", "CORPUS/labels.csv"],
            "48 labelled clips are too few to fine-tune an encoder; give 100 or more",
        ),
        (["--out", "OUT", "--labelled", "TABLE"], "line 2: the model has no class 'bliss'"),
    ],
    ids=["nothing", "no adapter", "inside", "not empty", "no labels", "few", "unknown class"],
)
def test_what_cannot_be_adapted(bare, corpus, tmp_path, capsys, command, message):
    (tmp_path / "table.csv").write_text("path,emotion\na.wav,bliss\n")
    places = {"OUT": "new", "MODEL": "bare", "TABLE": "table.csv"}
    places = {name: str(tmp_path / place) for name, place in places.items()}
    places["CORPUS"] = str(corpus)
    for name, place in places.items():
        command = [text.replace(name, place) for text in command]
    assert main(["adapt", str(bare), *command]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_columns_have_any_common_name(tmp_path):
    table = tmp_path / "table.jsonl"
    row = {"audio_path": "a.wav", "Emo": "Happy", "speaker_id": 0}
    table.write_text(json.dumps(row))
    (clip,) = read_labelled(table, NAMES)
    assert clip == Clip(Input(str(tmp_path / "a.wav"), tmp_path / "a.wav"), "0", "happiness")
    table.write_text(json.dumps({**row, "file": "b.wav"}))
    with pytest.raises(SERError, match="several columns .* the path: audio_path, file. Name"):
        read_labelled(table, NAMES)
    table.write_text(json.dumps({"audio_path": "a.wav", "mood": "Happy"}))
    with pytest.raises(SERError, match="has no column emotion; found audio_path, mood"):
        read_labelled(table, NAMES)


def test_a_damaged_adapter_is_named(model, tmp_path):
    (tmp_path / ADAPTER).write_bytes(b"no tensors")
    with pytest.raises(SERError, match="is damaged .* train or export again"):
        Adapter.load(tmp_path / ADAPTER)


def test_a_manifest_serves_as_a_table(corpus, tmp_path):
    table = ["table", "--name", "tiny", "--csv", "labels.csv", "--vad_scale", "1", "5"]
    where = ["--data_folder", str(corpus), "--manifest_folder", str(tmp_path)]
    assert prepare([*table, *where]) == 0
    listed = read_labelled(corpus / "labels.csv", NAMES)
    prepared = read_labelled(tmp_path / "tiny.json", NAMES)
    known = [(clip.sound.path, clip.emotion) for clip in listed]
    assert [(clip.sound.path, clip.emotion) for clip in prepared] == known
    with pytest.raises(SERError, match="has no clip labelled calm"):
        read_labelled(tmp_path / "tiny.json", ["calm"])
