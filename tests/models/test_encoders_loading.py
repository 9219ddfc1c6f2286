"""Where weights come from, and that they fit or the run stops."""

from __future__ import annotations

import json
import shutil
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_brain.core.errors import SERError
from ser_brain.models.encoders import load_encoder
from tests.inference.tiny_models import write_model
from tests.models.test_encoders import HUB, clips, padded


def saved(folder, family: str, model_class: str = "AutoModel", **changes):
    """A checkpoint folder as ``save_pretrained`` leaves it, and the model."""
    import transformers

    config, normalize = HUB[family]
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(**{**config, **changes})
    made = getattr(transformers, model_class)
    model = made.from_config(config) if model_class == "AutoModel" else made(config)
    model.save_pretrained(folder)
    if normalize is not None:
        transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    return model.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """One wav2vec2-base folder; a test that changes it takes ``damaged``."""
    folder = tmp_path_factory.mktemp("encoders") / "tiny-wav2vec2"
    saved(folder, "wav2vec2-base")
    return folder


@pytest.fixture
def damaged(checkpoint, tmp_path):
    """A copy, and a function that edits its tensors."""
    folder = tmp_path / "tiny-wav2vec2"
    shutil.copytree(checkpoint, folder)

    def edit(change) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return folder, edit


@pytest.mark.parametrize("family", HUB)
def test_saved_folder_round_trip(family, tmp_path):
    model = saved(tmp_path, family)
    encoder = load_encoder(tmp_path).eval()
    assert encoder.name == tmp_path.name
    if family == "whisper":
        wave = clips([encoder.max_samples])[0]
        mels = encoder.log_mel(wave[None], torch.tensor([len(wave)]))
        with torch.no_grad():
            expected = model.encoder(mels).last_hidden_state
    else:
        assert encoder.normalize == HUB[family][1]
        encoder.normalize = False
        wave = clips([8000])[0]
        with torch.no_grad():
            expected = model(wave[None]).last_hidden_state
    with torch.no_grad():
        frames_BTD, _ = encoder(wave[None], torch.tensor([len(wave)]))
    torch.testing.assert_close(frames_BTD, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("family", "model_class"),
    [
        ("wav2vec2-base", "Wav2Vec2ForPreTraining"),
        ("wav2vec2-base", "Wav2Vec2ForSequenceClassification"),
        ("hubert-base", "HubertForSequenceClassification"),
        ("wavlm-base", "WavLMForSequenceClassification"),
        ("data2vec-audio", "Data2VecAudioForSequenceClassification"),
        ("whisper", "WhisperForConditionalGeneration"),
    ],
)
def test_known_heads_are_left_out(family, model_class, tmp_path):
    model = saved(tmp_path, family, model_class)
    encoder = load_encoder(tmp_path)
    modules = dict(model.named_modules())
    bodies = ("model.encoder", "wav2vec2", "hubert", "wavlm", "data2vec_audio")
    body = next(modules[name] for name in bodies if name in modules)
    expected = body.state_dict()
    for name, tensor in encoder.state_dict().items():
        name = name.removeprefix("encoder.") if family == "whisper" else name
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize(
    ("family", "model_class"),
    [
        ("wav2vec2-base", "Wav2Vec2ForSequenceClassification"),
        ("hubert-large", "HubertForSequenceClassification"),
        ("wavlm-base", "WavLMForSequenceClassification"),
        ("data2vec-audio", "Data2VecAudioForSequenceClassification"),
        ("whisper", "WhisperForAudioClassification"),
    ],
)
def test_published_emotion_classifiers_that_mix_layers_load(family, model_class, tmp_path):
    """Issue 13, 13: "unexpected: layer_weights" of the most-used layout, with 8 labels."""
    changes = {"use_weighted_layer_sum": True, "num_labels": 8, "classifier_proj_size": 6}
    model = saved(tmp_path, family, model_class, **changes)
    learned = torch.tensor([0.3, -1.0, 2.0, 0.5])
    state = {**model.state_dict(), "layer_weights": learned}
    save_file({key: tensor.contiguous() for key, tensor in state.items()},
              tmp_path / "model.safetensors")  # fmt: skip
    assert load_encoder(tmp_path).layer == "last"
    assert torch.equal(load_encoder(tmp_path, layer="mix").layer_logits, learned)
    assert not load_encoder(tmp_path, layer="mix", pretrained=False).layer_logits.any()
    state["layer_weights"] = torch.zeros(9)
    save_file({key: tensor.contiguous() for key, tensor in state.items()},
              tmp_path / "model.safetensors")  # fmt: skip
    with pytest.raises(SERError, match=r"layer_weights \(9,\) instead of \(4,\)"):
        load_encoder(tmp_path, layer="mix")


def test_the_classifiers_own_scores_follow_from_what_is_loaded(tmp_path):
    """Encoder, learned mix, then the published projection and head: Hugging Face's scores."""
    changes = {"use_weighted_layer_sum": True, "num_labels": 7, "classifier_proj_size": 6}
    model = saved(tmp_path, "wav2vec2-base", "Wav2Vec2ForSequenceClassification", **changes)
    encoder = load_encoder(tmp_path, layer="mix", normalize=False).eval()
    wave_BS, lengths_B = padded(clips([8000]))
    with torch.no_grad():
        frames_BTD, _ = encoder(wave_BS, lengths_B)
        found = model.classifier(model.projector(frames_BTD).mean(dim=1))
        torch.testing.assert_close(found, model(wave_BS).logits, atol=1e-5, rtol=0)


def test_a_model_of_ser_export_is_a_base_encoder(tmp_path):
    model = write_model(tmp_path, "wav2vec2-base", layer="mix")
    encoder = load_encoder(tmp_path, layer="mix")
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, model.encoder.state_dict()[name]), name


@pytest.mark.parametrize("family", HUB)
def test_nothing_is_drawn_for_weights_that_are_loaded(family, tmp_path):
    """It would take seconds of a large encoder, and decide how random heads begin."""
    saved(tmp_path, family)
    torch.manual_seed(0)
    encoder = load_encoder(tmp_path)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))
    assert not any(tensor.is_meta for tensor in encoder.state_dict().values())
    assert not any(tensor.is_meta for tensor in encoder.buffers())


def test_unpretrained_needs_no_weight_file(damaged):
    folder, _ = damaged
    (folder / "model.safetensors").unlink()
    encoder = load_encoder(folder, pretrained=False)
    assert encoder.dim == 32
    with pytest.raises(SERError, match="has no model.safetensors or pytorch_model.bin"):
        load_encoder(folder)


def test_half_precision_and_older_names_and_shards_load_as_float32(damaged, checkpoint):
    folder, _ = damaged
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    name = "encoder.pos_conv_embed.conv."
    state[name + "weight_g"] = state.pop(name + "parametrizations.weight.original0")
    state[name + "weight_v"] = state.pop(name + "parametrizations.weight.original1")
    names = sorted(state)
    index = {}
    for shard, part in enumerate((names[::2], names[1::2])):
        file = f"pytorch_model-{shard}.bin"
        torch.save({n: state[n].half() for n in part}, folder / file)
        index.update(dict.fromkeys(part, file))
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    loaded = load_encoder(folder).state_dict()
    expected = load_encoder(checkpoint).state_dict()
    for name, tensor in expected.items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], tensor.half().float()), name


def _without(part):
    return lambda state: [state.pop(name) for name in list(state) if part in name]


@pytest.mark.parametrize(
    ("change", "layer", "match"),
    [
        (
            _without("encoder.layers.1.attention.q_proj.bias"),
            "last",
            r"missing: \S+q_proj\.bias",
        ),
        (_without("encoder.layers.2"), "last", r"missing: (\S+, ){2}\S+ and 13 more"),
        # A layer that is not used must fit too.
        (_without("layers.2.layer_norm.bias"), 1, r"missing: encoder\.layers\.2\.layer_norm"),
        (
            lambda state: state.update({"encoder.surprise": torch.zeros(1)}),
            "last",
            "unexpected: encoder.surprise",
        ),
        (
            lambda state: state.update({"encoder.layer_norm.weight": torch.ones(31)}),
            "last",
            r"layer_norm.weight \(31,\) instead of \(32,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(change, layer, match, damaged):
    folder, edit = damaged
    edit(change)
    with pytest.raises(SERError, match=match):
        load_encoder(folder, layer=layer)


def test_damaged_weight_file_is_an_error(damaged):
    folder, _ = damaged
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SERError, match="Cannot read the weights .* git-LFS stub"):
        load_encoder(folder)


def test_pickled_code_is_not_run(damaged, tmp_path):
    folder, _ = damaged
    (folder / "model.safetensors").unlink()
    trace = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (open, (str(trace), "w"))

    torch.save({"weights": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(SERError, match="Cannot read the weights"):
        load_encoder(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (None, "has no config.json; a folder needs"),
        ("{", "Cannot read the description of the encoder .*config.json"),
        ('{"model_type": "bert"}', "'bert'; expected one of: .*wav2vec2.*whisper"),
        ('{"add_adapter": true}', "add_adapter set in its config.json, which is not supp"),
        ('{"conv_pos_batch_norm": true}', "conv_pos_batch_norm set in its config.json"),
    ],
)
def test_a_config_that_cannot_be_used(config, match, damaged):
    folder, _ = damaged
    path = folder / "config.json"
    if config is None:
        path.unlink()
    elif "true" in config:
        path.write_text(json.dumps({**json.loads(path.read_text()), **json.loads(config)}))
    else:
        path.write_text(config)
    with pytest.raises(SERError, match=match):
        load_encoder(folder)


def test_unknown_normalisation_is_an_error_unless_given(damaged):
    folder, _ = damaged
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(SERError, match="do_normalize.*give normalize=True or False"):
        load_encoder(folder)
    assert load_encoder(folder, normalize=False).normalize is False


@pytest.mark.parametrize("source", ["compct", "/no/such/folder", "./a/b"])
def test_a_source_that_is_nothing(source):
    with pytest.raises(
        SERError, match="expected 'compact', .* a hub id such as .* or an exist"
    ):
        load_encoder(source)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"freeze": "some"}, "Bad freeze 'some'; expected one of: none, all, cnn"),
        ({"layer": "first"}, "Bad layer 'first'; expected one of: last, 0 to 3, a list"),
        ({"layer": True}, "Bad layer True"),
        ({"layer": 4}, r"Bad layer 4: .* has 3 transformer layers; expected 0"),
        ({"layer": -1}, "Bad layer -1: "),
        ({"chanels": 3}, "Bad option of Wav2Vec2Encoder 'chanels'"),
        ({"dropouts": {"droput": 0}}, "Bad dropout of the encoder 'droput'; expected one of"),
    ],
)
def test_bad_options(options, match, checkpoint):
    with pytest.raises(SERError, match=match):
        load_encoder(checkpoint, **options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"layer": 3}, "Bad layer of the compact encoder 3; expected"),
        ({"chanels": 3}, "Bad option of CompactEncoder 'chanels'; .*channels"),
        ({"revision": "main"}, "Bad option of CompactEncoder 'revision'"),
    ],
)
def test_bad_options_of_compact(options, match):
    with pytest.raises(SERError, match=match):
        load_encoder("compact", **options)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, whatever this machine has, and an empty cache."""
    from huggingface_hub import constants, file_download

    def refuse(*args, **kwargs):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr(file_download, "get_session", refuse, raising=False)
    return tmp_path


def test_unreachable_hub_says_what_to_do_at_once(offline):
    start_s = time.monotonic()
    with pytest.raises(
        SERError,
        match="not a local folder, is not in the hub's cache, and cannot be downloaded .*"
        "hf download facebook/wav2vec2-base --local-dir DIR",
    ):
        load_encoder("facebook/wav2vec2-base")
    assert time.monotonic() - start_s < 10


def test_the_hubs_cache_does_without_the_hub(offline, checkpoint):
    commit = "0" * 40
    repo = offline / "models--someone--tiny"
    shutil.copytree(checkpoint, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    encoder = load_encoder("someone/tiny")
    assert encoder.name == "someone/tiny"
    expected = load_encoder(checkpoint).state_dict()
    assert all(torch.equal(t, expected[n]) for n, t in encoder.state_dict().items())


def test_dropouts_replace_the_checkpoints(checkpoint):
    encoder = load_encoder(checkpoint, dropouts={"attention_dropout": 0.0, "layerdrop": 0.3})
    assert encoder.encoder.layers[0].attention.dropout == 0.0
    assert encoder.layerdrop == 0.3
    assert encoder.encoder.layers[0].dropout.p == 0.1  # the checkpoint's
