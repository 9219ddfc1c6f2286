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
from ser_brain.models.encoders.whisper import WhisperEncoder
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


def test_unpretrained_needs_no_weight_file(damaged):
    folder, _ = damaged
    (folder / "model.safetensors").unlink()
    encoder = load_encoder(folder, pretrained=False)
    assert encoder.dim == 32
    with pytest.raises(SERError, match="lacks model.safetensors or pytorch_model.bin"):
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


def test_missing_key_is_an_error(damaged):
    folder, edit = damaged
    edit(lambda state: [state.pop(f"encoder.layers.1.attention.{p}_proj.bias") for p in "qkv"])
    with pytest.raises(SERError, match=r"missing: encoder\.layers\.1\.attention\.\w_proj\.b"):
        load_encoder(folder)


def test_only_the_first_few_keys_are_named(damaged):
    folder, edit = damaged
    edit(lambda state: [state.pop(name) for name in list(state) if "encoder.layers.2" in name])
    with pytest.raises(SERError, match=r"missing: (\S+, ){2}\S+ and 13 more"):
        load_encoder(folder)


def test_unexpected_key_is_an_error(damaged):
    folder, edit = damaged
    edit(lambda state: state.update({"encoder.surprise": torch.zeros(1)}))
    with pytest.raises(SERError, match="unexpected: encoder.surprise"):
        load_encoder(folder)


def test_wrong_shape_is_an_error(damaged):
    folder, edit = damaged
    edit(lambda state: state.update({"encoder.layer_norm.weight": torch.ones(31)}))
    with pytest.raises(SERError, match=r"layer_norm.weight \(31,\) instead of \(32,\)"):
        load_encoder(folder)


def test_layers_not_asked_for_must_fit_too(damaged):
    folder, edit = damaged
    edit(lambda state: state.pop("encoder.layers.2.layer_norm.bias"))
    with pytest.raises(SERError, match="missing: encoder.layers.2.layer_norm.bias"):
        load_encoder(folder, layer=1)


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


def test_folder_without_config_is_an_error(tmp_path):
    with pytest.raises(SERError, match="lacks config.json; a folder needs"):
        load_encoder(tmp_path)


def test_broken_config_is_an_error(damaged):
    folder, _ = damaged
    (folder / "config.json").write_text("{")
    with pytest.raises(
        SERError, match="Cannot read the description of the encoder .*config.json"
    ):
        load_encoder(folder)


def test_unsupported_family_lists_the_supported(damaged):
    folder, _ = damaged
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(SERError, match="'bert'; expected one of: .*wav2vec2.*whisper"):
        load_encoder(folder)


def test_unknown_normalisation_is_an_error_unless_given(damaged):
    folder, _ = damaged
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(SERError, match="do_normalize.*give normalize=True or False"):
        load_encoder(folder)
    assert load_encoder(folder, normalize=False).normalize is False


@pytest.mark.parametrize("key", ["add_adapter", "conv_pos_batch_norm"])
def test_variants_that_are_not_supported_say_so(key, damaged):
    folder, _ = damaged
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: True}))
    with pytest.raises(SERError, match=f"{key} set in its config.json, which is not supp"):
        load_encoder(folder)


@pytest.mark.parametrize("source", ["compct", "/no/such/folder", "./a/b"])
def test_a_source_that_is_nothing(source):
    with pytest.raises(SERError, match="expected 'compact', a hub id such as .* or an exist"):
        load_encoder(source)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"freeze": "some"}, "Bad freeze 'some'; expected one of: none, all, cnn"),
        ({"layer": "first"}, "Bad layer 'first'; expected one of: last, 0 to 3, mix"),
        ({"layer": True}, "Bad layer True"),
        ({"layer": 4}, r"Layer 4 asked of .*, which has 3 transformer layers; expected 0"),
        ({"layer": -1}, "Layer -1 asked of"),
        ({"chanels": 3}, "Bad option of Wav2Vec2Encoder 'chanels'"),
        ({"dropouts": {"droput": 0}}, "Bad dropout of the encoder 'droput'; expected one of"),
    ],
)
def test_bad_options(options, match, checkpoint):
    with pytest.raises(SERError, match=match):
        load_encoder(checkpoint, **options)


def test_bad_options_of_compact():
    with pytest.raises(SERError, match="Bad layer of the compact encoder 3; expected"):
        load_encoder("compact", layer=3)
    with pytest.raises(SERError, match="Bad option of CompactEncoder 'chanels'; .*channels"):
        load_encoder("compact", chanels=3)
    with pytest.raises(SERError, match="Bad option of CompactEncoder 'revision'"):
        load_encoder("compact", revision="main")


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


def test_whisper_class_is_what_a_whisper_folder_gives(tmp_path):
    saved(tmp_path, "whisper")
    encoder = load_encoder(tmp_path, layer=2)
    assert isinstance(encoder, WhisperEncoder)
    assert len(encoder.encoder.layers) == 2
    frames_BTD, _ = encoder(*padded(clips([4800, 1600])))
    assert frames_BTD.shape == (2, 15, 32)
