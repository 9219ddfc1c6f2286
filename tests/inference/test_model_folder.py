"""Model folders are found and loaded, and hostile ones refused."""

import itertools
import json
import os
import pickle
import re
import shutil
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_checksums
from ser_brain.inference import model_folder
from ser_brain.inference.model_folder import find_model, load_model
from tests.inference.tiny_models import write_model
from tests.models.test_encoders import FAMILIES, clips, padded

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch, wav2vec2_folder):
    """A hub's cache that holds one commit of one model."""
    import huggingface_hub.constants as constants

    repository = tmp_path / "hub" / "models--lab--voice"
    shutil.copytree(wav2vec2_folder, repository / "blobs")
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        os.symlink(f"../../blobs/{name}", snapshot / name)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


def test_a_folder(tmp_path):
    assert find_model(str(tmp_path)) == (tmp_path, tmp_path.name)
    with pytest.raises(SERError, match="a folder, which has no revision 'v1'"):
        find_model(str(tmp_path), "v1")


@pytest.mark.parametrize(
    "source",
    [
        "nowhere",
        "~nobody-of-that-name/x",
        "~nobody-of-that-name",
        "../../none",
        "/etc/none",
        "a/b/c",
        "a/.",
        "a/..",
    ],
)
def test_what_is_neither_folder_nor_id(source):
    with pytest.raises(SERError, match="No model at"):
        find_model(source)


def test_a_commit_in_the_cache_is_not_asked_for(cache, offline, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    assert find_model("lab/voice", COMMIT) == (cache, f"lab/voice@{COMMIT}")


def test_a_branch_is_taken_from_the_cache_where_the_hub_cannot_be_reached(cache, offline):
    assert find_model("lab/voice")[0].samefile(cache)


@pytest.mark.parametrize("name", [("lab/other",), ("lab/voice..1", COMMIT)])
def test_a_model_that_cannot_be_downloaded(cache, offline, name):
    with pytest.raises(SERError, match=f"cannot be downloaded .* hf download {name[0]}"):
        find_model(*name)


def test_errors_of_the_hub_are_shown_without_the_token(monkeypatch):
    def download(repository, **wanted):
        cause = OSError("hf_secret was refused\nmore")
        raise RuntimeError("While it was fetched:\nmore") from cause

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    with pytest.raises(SERError, match=r"\(While it was fetched: \*\*\* was refused\)"):
        find_model("lab/voice")


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_model_it_was_made_of(family, tmp_path, offline):
    model = write_model(tmp_path / "m", family)
    config, loaded = load_model(tmp_path / "m")
    waves_BS, lengths_B = padded(clips([8000, 4961]))
    trained, found = model(waves_BS, lengths_B), loaded(waves_BS, lengths_B)
    assert config.emotions == ["anger", "sadness", "neutral"]
    assert found.keys() == {"embedding", "log_probabilities", "valence_arousal"}
    for name in found:
        torch.testing.assert_close(trained[name], found[name], atol=1e-6, rtol=0)
    assert not loaded.training
    everything = [*loaded.parameters(), *loaded.buffers()]
    assert not any(tensor.is_meta or tensor.requires_grad for tensor in everything)


@pytest.mark.parametrize(
    "heads, absent",
    [({"va_range": None}, "valence_arousal"), ({"emotions": []}, "log_probabilities")],
)
def test_a_model_with_one_head(tmp_path, heads, absent):
    write_model(tmp_path / "m", **heads)
    _, model = load_model(tmp_path / "m")
    assert absent not in model(*padded(clips([8000])))


def test_a_moved_folder_loads(folder, tmp_path, monkeypatch):
    shutil.move(folder, tmp_path / "elsewhere")
    monkeypatch.chdir("/")
    load_model(tmp_path / "elsewhere")


def test_links_of_the_hubs_cache_are_followed(folder, tmp_path):
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs = tmp_path / "models--a--b" / "blobs"
    for made in (snapshot, blobs):
        made.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.move(folder / name, blobs / f"sum-of-{name}")
        os.symlink(f"../../blobs/sum-of-{name}", snapshot / name)
    load_model(snapshot)


def change_config(folder, *keys, **changes):
    """Change values of the block ``ser_brain``, or of what ``keys`` lead to inside it."""
    path = folder / "config.json"
    content = json.loads(path.read_text())
    inner = content["ser_brain"]
    for key in keys:
        inner = inner[key]
    inner.update(changes)
    path.write_text(json.dumps(content))


def change_encoder(folder, **changes):
    change_config(folder, "encoder", "config", **changes)


def change_weights(folder, **changes):
    weights = load_file(folder / "model.safetensors")
    weights.update({name.replace("__", "."): tensor for name, tensor in changes.items()})
    kept = {name: tensor for name, tensor in weights.items() if tensor is not None}
    save_file(kept, folder / "model.safetensors")


class Evil:
    """Leaves a mark when it is unpickled."""

    def __init__(self, folder):
        self.mark = str(folder.parent / "ran")

    def __reduce__(self):
        return (open, (self.mark, "w"))


WEIGHTS = "model.safetensors"


def pickle_as(folder, name):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Evil(folder)))


def weights_elsewhere(folder):
    shutil.move(folder / "model.safetensors", folder.parent / "secret")
    os.symlink("../secret", folder / "model.safetensors")


def link_config(folder, target):
    (folder / "config.json").unlink()
    os.symlink(target, folder / "config.json")


def waiting_config(folder):
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def false_snapshot(folder):
    """A folder that calls itself a snapshot, with a link to where no blobs are."""
    moved = folder.parent / "snapshots" / "model"
    shutil.move(folder, moved)
    os.symlink(moved, folder)
    shutil.move(moved / "config.json", folder.parent / "config.json")
    os.symlink("../../config.json", moved / "config.json")


def nan_in_config(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace("1e-05", "NaN"))


def in_buckets(folder, **changes):
    shutil.rmtree(folder)
    write_model(folder, "wavlm-base")
    change_encoder(folder, **changes)


def hour_of_positions(folder):
    shutil.rmtree(folder)
    write_model(folder, "whisper")
    change_encoder(folder, max_source_positions=180_000)


def header(folder, **tensor):
    """Weights of which the header says anything."""
    text = json.dumps({"classifier.bias": {"dtype": "F32", **tensor}}).encode()
    content = struct.pack("<Q", len(text)) + text + bytes(12)
    (folder / "model.safetensors").write_bytes(content)


def overlapping(folder):
    """Each tensor of the file lies where the first one does."""
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    found = json.loads(content[8 : 8 + length])
    for name in found.keys() - {"__metadata__"}:
        start, stop = found[name]["data_offsets"]
        found[name]["data_offsets"] = [0, stop - start]
    text = json.dumps(found).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


NAN, INFINITY = torch.full((3,), torch.nan), torch.full((3,), torch.inf)
HOSTILE = {
    "a pickle in place of the weights": lambda f: pickle_as(f, "pytorch_model.bin"),
    "a pickle that calls itself `model.safetensors`": lambda f: pickle_as(
        f, "model.safetensors"
    ),
    "weights with a header of 10 GB": lambda f: (f / "model.safetensors").write_bytes(
        struct.pack("<Q", 10 * 2**30) + b"{}"
    ),
    "weights whose header names a tensor of 4 TB": lambda f: header(
        f, shape=[2**20, 2**20], data_offsets=[0, 12]
    ),
    "weights whose tensors overlap": overlapping,
    "weights cut in half": lambda f: os.truncate(
        f / "model.safetensors", (f / "model.safetensors").stat().st_size // 2
    ),
    "weights that are a link out of the folder": weights_elsewhere,
    "`config.json` a link to `/etc/passwd`": lambda f: link_config(f, "/etc/passwd"),
    "`config.json` a link to `/dev/zero`": lambda f: link_config(f, "/dev/zero"),
    "`config.json` a pipe that never ends": waiting_config,
    "a link out of what looks like a snapshot of the hub": false_snapshot,
    "`config.json` nested 100,000 deep": lambda f: (f / "config.json").write_text(
        '{"a":' * 100_000 + "1" + "}" * 100_000
    ),
    "`config.json` of 2 MB": lambda f: (f / "config.json").write_text(
        json.dumps({"a": "x" * 2**21})
    ),
    "NaN in `config.json`": nan_in_config,
    "a path in `config.json`": lambda f: change_config(f, weights="../../secret"),
    "code named in `config.json`": lambda f: change_encoder(
        f, auto_map={"AutoModel": "evil.Model"}
    ),
    "an emotion that is a terminal's escape code": lambda f: change_config(
        f, emotions=["anger", "sadness", "\x1b[2J"]
    ),
    "a trillion layers": lambda f: change_encoder(f, num_hidden_layers=10**12),
    "every size allowed, together 130 billion numbers": lambda f: change_encoder(
        f, hidden_size=8192, num_hidden_layers=96, intermediate_size=65536
    ),
    "convolutions that skip no sample": lambda f: change_encoder(f, conv_stride=[1] * 7),
    "convolutions that skip samples too late": lambda f: change_encoder(
        f, conv_dim=[512] * 7, conv_stride=[1, 1, 1, 1, 1, 64, 5]
    ),
    "more attention than memory": lambda f: change_encoder(
        f, hidden_size=128, num_attention_heads=128
    ),
    "positions for an hour": hour_of_positions,
    "relative positions in one bucket": lambda f: in_buckets(f, num_buckets=1),
    "relative positions that lie behind the last bucket": lambda f: in_buckets(
        f, num_buckets=320, max_bucket_distance=80
    ),
    "wider in `config.json` than in the weights": lambda f: change_encoder(
        f, intermediate_size=4096
    ),
    "NaN in the weights": lambda f: change_weights(f, classifier__bias=NAN),
    "infinity in the weights": lambda f: change_weights(f, classifier__bias=INFINITY),
    "no emotion head": lambda f: change_weights(
        f, classifier__weight=None, classifier__bias=None
    ),
    "a head of four for three emotions": lambda f: change_weights(
        f, classifier__weight=torch.ones(4, 32), classifier__bias=torch.ones(4)
    ),
    "half precision": lambda f: change_weights(
        f, classifier__bias=torch.ones(3, dtype=torch.float16)
    ),
    "a tensor too many": lambda f: change_weights(f, more=torch.ones(1)),
    "a projection that is not the identity": lambda f: change_weights(
        f, projector__weight=torch.zeros(32, 32)
    ),
    "other classes for transformers than for us": lambda f: change_config(
        f, emotions=["neutral", "anger", "sadness"]
    ),
    "an empty folder": lambda f: [path.unlink() for path in f.iterdir()],
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "model_format.md"


def documented():
    """Kind of folder -> what loading says of it, from the table of the documentation."""
    lines = DOCUMENT.read_text("utf-8").split("| folder | refused with |")[1].splitlines()
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[2:])
    cells = [[cell.strip() for cell in row.split("|")[1:3]] for row in rows]
    return {kind: said.strip("`") for kind, said in cells}


def test_the_documentation_has_every_hostile_folder():
    assert list(documented()) == list(HOSTILE)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_folder_is_refused_with_the_documented_reason(kind, folder):
    HOSTILE[kind](folder)
    with pytest.raises(SERError, match=re.escape(documented()[kind])):
        load_model(folder)
    assert not (folder.parent / "ran").exists()


def test_code_in_the_folder_is_not_opened(folder):
    mark = folder.parent / "ran"
    evil = f"!apply:os.system ['touch {mark}']\n"
    (folder / "hyperparams.yaml").write_text(f"evil: {evil}")
    (folder / "custom_interface.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (folder / "model.onnx").write_bytes(b"no graph")
    load_model(folder)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_change_since_the_export_is_noticed(folder, name):
    write_checksums(folder, "config.json", "model.safetensors")
    load_model(folder)
    content = (folder / name).read_bytes()
    changed = content.replace(b"anger", b"Anger") if name == "config.json" else flipped(content)
    (folder / name).write_bytes(changed)
    with pytest.raises(SERError, match=f"is damaged: {name} differs from its checksum"):
        load_model(folder)
    (folder / "SHA256SUMS").unlink()
    load_model(folder)  # Nothing else told that it was another model.


def test_a_damaged_list_of_checksums_is_told(folder):
    (folder / "SHA256SUMS").write_text("no list")
    with pytest.raises(SERError, match="SHA256SUMS is not a list of checksums. Export or"):
        load_model(folder)


def flipped(content):
    """The same with the last bit of the last weight changed."""
    return content[:-4] + bytes([content[-4] ^ 1]) + content[-3:]


@pytest.mark.parametrize("size", [0, 7, 8, 40])
def test_weights_that_end_early(folder, size):
    os.truncate(folder / "model.safetensors", size)
    with pytest.raises(SERError, match="damaged"):
        load_model(folder)


def test_a_header_of_the_largest_size_is_left_to_the_library(folder):
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", model_folder.LARGEST_HEADER) + b"{}")
    with pytest.raises(SERError, match="damaged or not a safetensors file"):
        load_model(folder)
