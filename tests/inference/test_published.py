"""Models that others published: scored as their own library scores a single clip, safely."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import layer_norm

from data_prep.__main__ import main as prepare
from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.publishing.export import write_folder
from tests.inference.tiny_models import model_and_config
from tests.tiny_corpus import write_corpus

SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16, 16, 16],
    "conv_kernel": [10, 3, 3],
    "conv_stride": [5, 4, 4],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 24,
}
WHISPER = {
    **{"d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "num_mel_bins": 80},
    **{"encoder_attention_heads": 4, "decoder_attention_heads": 4, "vocab_size": 64},
    **{"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_source_positions": 1500},
    **{"classifier_proj_size": 24, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0},
    **{"decoder_start_token_id": 1},
}
AST = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"intermediate_size": 48, "max_length": 128},
}
LABELS = ["ang", "Happy", "LONGING", "neutral"]
CLASSIFIERS = {
    "Wav2Vec2ForSequenceClassification": SPEECH,
    "HubertForSequenceClassification": {**SPEECH, "use_weighted_layer_sum": True},
    "WavLMForSequenceClassification": {**SPEECH, "do_stable_layer_norm": True},
    "WhisperForAudioClassification": WHISPER,
    "ASTForAudioClassification": AST,
}


@pytest.fixture(scope="module")
def clips():
    generator = np.random.default_rng(0)
    return [generator.normal(0, 0.1, n).astype(np.float32) for n in (9_000, 16_000)]


def write_classifier(folder, name, labels=LABELS):
    torch.manual_seed(1)
    cls = getattr(transformers, name)
    config = cls.config_class(**CLASSIFIERS[name], id2label=dict(enumerate(labels)))
    model = cls(config).eval()
    nn.init.normal_(
        model.classifier.weight
        if hasattr(model.classifier, "weight")
        else model.classifier.dense.weight
    )
    model.save_pretrained(folder)
    if name.startswith("AST"):
        extractor = transformers.ASTFeatureExtractor(max_length=128)
    elif name.startswith("Whisper"):
        extractor = transformers.WhisperFeatureExtractor()
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor()
    extractor.save_pretrained(folder)
    return model


def change(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_of_transformers(name, tmp_path, clips, caplog):
    model = write_classifier(tmp_path / "m", name)
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "m")
    assert recognizer.emotions == ["anger", "happiness", "longing", "neutral"]
    assert "classes of its own, which corpora lack: longing" in caplog.text
    assert recognizer.card["labels"]["Happy"] == "happiness"
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path / "m")
    scores = recognizer.score(clips)
    for clip_S, found in zip(clips, scores, strict=True):
        inputs = extractor(clip_S, sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            expected = model(**inputs).logits[0].log_softmax(0).numpy()
        np.testing.assert_allclose(found.log_probabilities, expected, atol=1e-5)
    assert np.abs(scores[0].log_probabilities - scores[1].log_probabilities).max() > 1e-4
    assert recognizer.predict((clips[1], 16_000))["emotion"] in recognizer.emotions


def test_classes_without_a_name_are_asked_for(tmp_path):
    name = "Wav2Vec2ForSequenceClassification"
    write_classifier(tmp_path / "m", name, ["LABEL_0", "LABEL_1", "sad", "x"])
    with pytest.raises(SERError, match="does not name its classes .* --labels LABEL_0=anger"):
        EmotionRecognizer.from_pretrained(tmp_path / "m")
    named = {"LABEL_0": "anger", "LABEL_1": "neutral"}
    found = EmotionRecognizer.from_pretrained(tmp_path / "m", labels=named)
    assert found.emotions == ["anger", "neutral", "sadness", "x"]
    with pytest.raises(SERError, match="several classes for anger"):
        EmotionRecognizer.from_pretrained(tmp_path / "m", labels={**named, "x": "anger"})
    with pytest.raises(SERError, match="Bad class of m in --labels 'LABEL_7'"):
        EmotionRecognizer.from_pretrained(tmp_path / "m", labels={"LABEL_7": "anger"})


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        self.wav2vec2 = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SPEECH))
        self.classifier = nn.ModuleDict(
            {"dense": nn.Linear(32, 32), "out_proj": nn.Linear(32, 3)}
        )

    def forward(self, waveforms_BS):
        pooled_BD = self.wav2vec2(waveforms_BS).last_hidden_state.mean(1)
        return self.classifier["out_proj"](self.classifier["dense"](pooled_BD).tanh())


def write_regression(folder):
    torch.manual_seed(2)
    weights = Regression().state_dict()
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    said = {"architectures": ["Wav2Vec2ForSpeechClassification"], "model_type": "wav2vec2"}
    names = {"0": "arousal", "1": "dominance", "2": "valence"}
    (folder / "config.json").write_text(json.dumps({**SPEECH, **said, "id2label": names}))
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


def test_arousal_dominance_and_valence(tmp_path, clips):
    write_regression(tmp_path / "m")
    torch.manual_seed(2)
    model = Regression().eval()
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "m")
    assert recognizer.va_range == (0, 1) and recognizer.emotions == []
    found = recognizer.score(clips)[0].valence_arousal
    with torch.no_grad():
        expected = model(torch.from_numpy(clips[0])[None])[0].numpy()
    assert recognizer.dimensions == ("valence", "arousal", "dominance")
    np.testing.assert_allclose(found, expected[[2, 0, 1]], atol=1e-6)


def test_the_layout_of_speechbrain(tmp_path, clips):
    torch.manual_seed(3)
    size = {k: SPEECH[k] for k in ("num_hidden_layers", "intermediate_size")}
    config = transformers.Wav2Vec2Config(hidden_size=64, num_attention_heads=1, **size)
    encoder, linear = transformers.Wav2Vec2Model(config).eval(), nn.Linear(64, 2, bias=False)
    prefixed = {f"model.{key}": tensor for key, tensor in encoder.state_dict().items()}
    torch.save(prefixed, tmp_path / "wav2vec2.ckpt")
    torch.save({"0.w.weight": linear.weight.data}, tmp_path / "model.ckpt")
    (tmp_path / "label_encoder.txt").write_text("'sad' => 0\n'ang' => 1\n====\n'x' => 9\n")
    (tmp_path / "hyperparams.yaml").write_text(
        "evil: !apply:os.system [touch pwned]\nwav2vec2: !new:speechbrain.X\n"
        "    source: hub\n    output_norm: True\n"
    )
    recognizer = EmotionRecognizer.from_pretrained(tmp_path)
    assert recognizer.emotions == ["sadness", "anger"]
    wave_1S = torch.from_numpy(clips[1])[None]
    with torch.no_grad():
        hidden = encoder(layer_norm(wave_1S, wave_1S.shape)).last_hidden_state
        hidden = layer_norm(hidden, hidden.shape[1:])
        expected = linear(hidden.mean(1))[0].log_softmax(0).numpy()
    found = recognizer.score(clips)[1].log_probabilities
    np.testing.assert_allclose(found, expected, atol=1e-5)
    (tmp_path / "model.ckpt").write_bytes(pickle.dumps(pytest.fail))
    with pytest.raises(SERError, match=r"Cannot read the weights .*model\.ckpt"):
        EmotionRecognizer.from_pretrained(tmp_path)


def test_a_graph_with_a_signature(tmp_path, clips):
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.FLOAT
    scale = onnx.helper.make_tensor("scale", kind, [1, 2], [100.0, -100.0])
    onnx.save(graph_of(onnx, scale), tmp_path / "model.onnx")
    with pytest.raises(SERError, match=r"needs signature\.json beside it"):
        EmotionRecognizer.from_pretrained(tmp_path)
    said = {"emotions": ["anger", "sad"], "input": "wave", "output": "logits"}
    (tmp_path / "signature.json").write_text(json.dumps(said))
    scores = EmotionRecognizer.from_pretrained(tmp_path).score(clips)
    logits = torch.tensor([100.0, -100.0]) * float(clips[0].mean())
    expected = logits.log_softmax(0).numpy()
    np.testing.assert_allclose(scores[0].log_probabilities, expected, atol=1e-5)
    for key, value in {"input": "x", "output": "y", "emotions": []}.items():
        (tmp_path / "signature.json").write_text(json.dumps({**said, key: value}))
        with pytest.raises(SERError, match=key):
            EmotionRecognizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"hidden_size": 2**20, "intermediate_size": 2**20}, "model of .* numbers; at most"),
        ({"hidden_size": 33}, "describes no Wav2Vec2For"),
        ({"hidden_size": 36}, "do not fit the model of its config.json"),
        ({"architectures": ["Evil"]}, "holds .*Evil.* code in the folder is not run"),
        ({"architectures": ["Wav2Vec2ForCTC"]}, "no audio classifier"),
        ({"id2label": {"0": "anger", "2": "sad"}}, "names no classes"),
        ({"id2label": {"0": "a b", "1": "!"}, "num_labels": 2}, "do not fit|Bad class"),
    ],
)
def test_hostile_configurations_are_refused(values, match, tmp_path):
    write_classifier(tmp_path / "m", "Wav2Vec2ForSequenceClassification")
    change(tmp_path / "m", **values)
    with pytest.raises(SERError, match=match):
        EmotionRecognizer.from_pretrained(tmp_path / "m")


def test_the_weights_that_are_missing_are_counted(tmp_path):
    write_classifier(tmp_path, "Wav2Vec2ForSequenceClassification")
    for gone, said in (("bias", "classifier.bias"), ("weight", "classifier.bias and 1 more")):
        weights = load_file(tmp_path / "model.safetensors")
        del weights[f"classifier.{gone}"]
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
        with pytest.raises(SERError, match=rf"\(missing: {said}\)\."):
            EmotionRecognizer.from_pretrained(tmp_path)


def test_hostile_files_are_refused(tmp_path, monkeypatch):
    write_classifier(tmp_path / "m", "Wav2Vec2ForSequenceClassification")
    change(tmp_path / "m", auto_map={"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"})
    (tmp_path / "m" / "evil.py").write_text("raise SystemExit('ran')")
    EmotionRecognizer.from_pretrained(tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    (tmp_path / "outside").write_bytes(weights.read_bytes())
    weights.unlink()
    weights.symlink_to(tmp_path / "outside")
    with pytest.raises(SERError, match="out of the model folder"):
        EmotionRecognizer.from_pretrained(tmp_path / "m")
    weights.unlink()
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(pickle.dumps(pytest.fail))
    with pytest.raises(SERError, match="Cannot read the weights"):
        EmotionRecognizer.from_pretrained(tmp_path / "m")


def write_speechbrain(folder):
    size = {k: SPEECH[k] for k in ("num_hidden_layers", "intermediate_size")}
    config = transformers.Wav2Vec2Config(hidden_size=64, num_attention_heads=1, **size)
    folder.mkdir()
    torch.save(transformers.Wav2Vec2Model(config).state_dict(), folder / "wav2vec2.ckpt")
    torch.save({"w.weight": torch.zeros(2, 64)}, folder / "model.ckpt")
    (folder / "label_encoder.txt").write_text("'sad' => 0\n'ang' => 1\n")
    (folder / "hyperparams.yaml").write_text("wav2vec2: !new:x.X\n    output_norm: True\n")


LAYOUTS = {
    "classifier": (
        lambda folder: write_classifier(folder, "HubertForSequenceClassification"),
        "model.safetensors",
    ),
    "regression": (write_regression, "model.safetensors"),
    "speechbrain": (write_speechbrain, "wav2vec2.ckpt"),
}


def spoilt(attack, path):
    """Make a file of weights hostile."""
    read, write = (load_file, save_file) if path.suffix != ".ckpt" else (torch.load, torch.save)
    if attack in ("missing tensor", "NaN"):
        weights = read(path)
        name = next(key for key in weights if key.endswith("feed_forward.output_dense.weight"))
        if attack == "NaN":
            weights[name][0, 0] = float("nan")
        else:
            del weights[name]
        write(weights, path)
    elif attack == "pickle":
        binary = path if path.suffix == ".ckpt" else path.with_name("pytorch_model.bin")
        path.unlink()
        torch.save({"weight": Ran()}, binary)
    elif attack == "huge header":
        path.write_bytes((2**62).to_bytes(8, "little") + b"{" * 64)
    else:
        path.rename(path.parent.parent / "outside")
        path.symlink_to(path.parent.parent / "outside")


class Ran:
    """What runs code where somebody unpickles it."""

    def __reduce__(self):
        return pytest.fail, ("code of a model was run",)


@pytest.mark.parametrize("attack", ["pickle", "huge header", "missing tensor", "NaN", "link"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_hostile_weights_of_each_layout_are_refused(layout, attack, tmp_path):
    write, weights = LAYOUTS[layout]
    write(tmp_path / "m")
    EmotionRecognizer.from_pretrained(tmp_path / "m")
    spoilt(attack, tmp_path / "m" / weights)
    match = {
        "pickle": "Cannot read the weights",
        "huge header": "Cannot read the weights",
        "missing tensor": "do not fit|lack|missing",
        "NaN": "not finite",
        "link": "out of the model folder",
    }[attack]
    with pytest.raises(SERError, match=match):
        EmotionRecognizer.from_pretrained(tmp_path / "m")


def test_hostile_graphs_are_refused(tmp_path):
    """A graph whose weights lie elsewhere on the disk, a damaged one, and one that says NaN."""
    onnx = pytest.importorskip("onnx")
    said = {"emotions": ["anger", "sad"], "input": "wave", "output": "logits"}
    (tmp_path / "secret").write_bytes(np.ones(2, np.float32).tobytes())
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "signature.json").write_text(json.dumps(said))
    outside = onnx.TensorProto(name="scale", dims=[1, 2], data_type=onnx.TensorProto.FLOAT)
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../secret")
    onnx.save(graph_of(onnx, outside), folder / "model.onnx")
    with pytest.raises(SERError, match=r"Cannot read .*model\.onnx"):
        EmotionRecognizer.from_pretrained(folder)
    (folder / "model.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(SERError, match=r"Cannot read .*model\.onnx"):
        EmotionRecognizer.from_pretrained(folder)
    nan = onnx.helper.make_tensor("scale", onnx.TensorProto.FLOAT, [1, 2], [np.nan, 1.0])
    onnx.save(graph_of(onnx, nan), folder / "model.onnx")
    with pytest.raises(SERError, match="not all finite"):
        EmotionRecognizer.from_pretrained(folder).score([np.ones(16_000, np.float32)])


def graph_of(onnx, scale):
    """Logits are the mean of the waveform times ``scale``."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["wave"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "scale"], ["logits"]),
    ]
    given = [helper.make_tensor_value_info("wave", kind, [1, "samples"])]
    made = [helper.make_tensor_value_info("logits", kind, [1, 2])]
    graph = helper.make_graph(nodes, "g", given, made, [scale])
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def test_evaluate_and_compare_take_them(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus", speakers=5, clips=1)
    table = ["table", "--name", "tiny", "--csv", "labels.csv", "--vad_scale", "1", "5"]
    where = ["--data_folder", str(corpus), "--manifest_folder", str(tmp_path)]
    assert prepare([*table, *where]) == 0
    labels = ["neu", "ang", "hap", "disgust", "sad"]
    write_classifier(tmp_path / "m", "HubertForSequenceClassification", labels)
    on = ["--on", str(tmp_path / "tiny.json")]
    assert main(["evaluate", str(tmp_path / "m"), *on]) == 2
    assert "name one with --out" in capsys.readouterr().err
    all_classes, four = tmp_path / "all", tmp_path / "four"
    assert main(["evaluate", str(tmp_path / "m"), *on, "--out", str(all_classes)]) == 0
    chosen = ["--classes", "anger", "happiness", "sadness", "neutral"]
    chosen += ["--out", str(four)]
    assert main(["evaluate", str(tmp_path / "m"), *on, *chosen]) == 0
    assert main(["evaluate", str(tmp_path / "m"), *on, *chosen, "--per_class", "3"]) == 0
    whole = read_predictions(all_classes / "predictions" / "tiny.jsonl")
    part = read_predictions(four / "predictions" / "tiny-3-per-class.jsonl")
    assert whole.emotions == ["neutral", "anger", "happiness", "disgust", "sadness"]
    assert part.card["notes"] == "4 of the model's 5 classes" and len(part.ids) == 12
    assert part.card["protocol"] == "m on tiny/intended/3 per class"
    place = whole.ids.index(part.ids[0])
    kept_C = whole.log_probs_NC[place][[1, 2, 4, 0]]
    expected_C = kept_C - np.log(np.exp(kept_C).sum())
    np.testing.assert_allclose(part.log_probs_NC[0], expected_C, atol=1e-6)
    capsys.readouterr()
    assert main(["compare", str(all_classes), str(four), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["test_sets"]["tiny"]
    assert found["both"] == 20 and found["tasks"]["emotion"]["metrics"]["uar"]["p"] is not None


@pytest.mark.parametrize("learned, noted", [("tiny_eng", True), ("tinier", False)])
def test_a_model_that_knows_the_corpus_says_so(tmp_path, learned, noted):
    corpus = write_corpus(tmp_path / "corpus", speakers=2, clips=1)
    table = ["table", "--name", "tiny", "--csv", "labels.csv", "--vad_scale", "1", "5"]
    where = ["--data_folder", str(corpus), "--manifest_folder", str(tmp_path)]
    assert prepare([*table, *where]) == 0
    emotions = ["anger", "happiness", "neutral", "sadness"]
    model, config = model_and_config("compact", emotions=emotions, va_range=None)
    card = {"training_data": {"corpora": {learned: {}}}}
    write_folder(tmp_path / "m", model, replace(config, card=card))
    on = ["--on", str(tmp_path / "tiny.json"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tmp_path / "m"), *on]) == 0
    card = read_predictions(tmp_path / "out" / "predictions" / "tiny.jsonl").card
    assert ("the model was trained on tiny" in card.get("notes", "")) is noted


def test_a_board_judges_measures_and_adds_baselines(tmp_path, capsys):
    for name, seed in {"tiny": 0, "other": 1}.items():
        corpus = write_corpus(tmp_path / name, speakers=5, clips=1, seed=seed)
        table = ["table", "--name", name, "--csv", "labels.csv", "--vad_scale", "1", "5"]
        where = ["--data_folder", str(corpus), "--manifest_folder", str(tmp_path)]
        assert prepare([*table, *where]) == 0
    labels = ["neu", "ang", "hap", "sad"]
    model = write_classifier(tmp_path / "m", "HubertForSequenceClassification", labels)
    out, tiny, other = tmp_path / "board", tmp_path / "tiny.json", tmp_path / "other.json"
    command = ["board", str(tmp_path / "m"), "--out", str(out)]
    assert main([*command, "--baselines", str(other)]) == 2
    assert "--baselines is for models to judge" in capsys.readouterr().err
    on = ["--on", str(tiny), "--per_class", "4"]
    assert main([*command, *on, "--baselines", str(tiny)]) == 2
    assert "named by --on and by --baselines" in capsys.readouterr().err
    size = {k: SPEECH[k] for k in ("num_hidden_layers", "intermediate_size", "hidden_size")}
    config = transformers.Wav2Vec2Config(**size, num_attention_heads=4, conv_dim=[16] * 7)
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path / "encoder")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "encoder")
    baselines = ["--baselines", str(other), "--encoder_source", str(tmp_path / "encoder")]
    assert main([*command, *on, *baselines]) == 0
    found = json.loads((out / "board.json").read_text())
    assert list(found["models"]) == ["m", "functionals", "probe"]
    (column,) = found["test_sets"].values()
    assert column["utterances"] == 16 and set(column["cells"]) == set(found["models"])
    assert found["models"]["probe"]["trained_on"] == ["other"]
    cost = found["models"]["m"]["cost"]
    used = (p for n, p in model.named_parameters() if not n.endswith("masked_spec_embed"))
    assert cost["parameters"] == sum(p.numel() for p in used)
    assert cost["bytes"] == (tmp_path / "m" / "model.safetensors").stat().st_size
    assert cost["clips"] == 20 and cost["times_functionals"] > 0
    # Answers have no model to measure, and what was measured stays.
    (tmp_path / "answers.csv").write_text("file,answer\ns0_anger_0.wav,anger\n")
    judged = ["import", str(tmp_path / "answers.csv"), "--on", str(tiny)]
    assert main([*judged, "--out", str(tmp_path / "answers")]) == 0
    assert main(["board", str(tmp_path / "answers"), "--on", str(tiny), "--out", str(out)]) == 0
    models = json.loads((out / "board.json").read_text())["models"]
    assert models["m"]["cost"] == cost
    assert models["answers"]["cost"] == {"not_measured": "its answers were named, and no model"}


def test_predict_takes_them(tmp_path, clips, capsys):
    write_classifier(tmp_path / "m", "HubertForSequenceClassification", ["LABEL_0", "sad"])
    soundfile.write(tmp_path / "a.wav", clips[1], 16_000)
    out = tmp_path / "out.csv"
    command = ["predict", str(tmp_path / "a.wav"), "--model", str(tmp_path / "m")]
    assert main([*command, "--out", str(out)]) == 2
    assert "Say what they mean: --labels LABEL_0=anger" in capsys.readouterr().err
    assert main([*command, "--out", str(out), "--labels", "LABEL_0=anger"]) == 0
    header, row = out.read_text().splitlines()
    assert "p_anger,p_sadness" in header and row.startswith(str(tmp_path / "a.wav"))
