"""A run folder with made-up predictions, and the configuration of a model that is its own."""

from __future__ import annotations

from pathlib import Path

from ser_brain.core.files import read_json, write_json, write_text
from ser_brain.inference.model_config import ModelConfig
from ser_brain.publishing.card_facts import CardFacts, gather
from ser_brain.publishing.export import training_data
from tests.fake_run import EMOTIONS, rows, write

PROTOCOL = "fake/speaker/intended/4-class/seed 1"
CORPUS = {
    "title": "A made-up corpus",
    "licence": "CC BY 4.0",
    "citation": "Nobody (2026)",
    "languages": ["deu"],
    "style": "acted",
    "synthetic": False,
    "fingerprint": "f" * 64,
    "use": "train",
}


def audit(**counts: int) -> dict:
    """What two parts share; nothing but what is named."""
    kinds = ("utterances", "speakers", "groups", "texts", "audio")
    return {kind: {"count": counts.get(kind, 0), "examples": []} for kind in kinds}


def corpus_rows(corpus: str, count: int = 60, **options) -> list[dict]:
    """Rows of a corpus of its own: other ids and other speakers."""
    return [
        {
            **row,
            "id": f"{corpus}_{row['id']}",
            "corpus": corpus,
            "speaker": f"{corpus}_{row['speaker']}",
        }
        for row in rows(count, **options)
    ]


def write_run(
    folder: Path,
    test_sets: dict[str, list[dict]] | None = None,
    audits: dict | None = None,
    corpora: dict | None = None,
    settings: str = "experiment: multiobjective\nseed: 1\n",
    **card,
) -> Path:
    """Write a run: by default one test set of its corpus, of which nothing was trained on."""
    if test_sets is None:
        test_sets = {"fake": corpus_rows("fake")}
    card = {"protocol": PROTOCOL, **card}
    found = {f"{part}-{name}": audit() for part in ("train", "valid") for name in test_sets}
    for name, some_rows in test_sets.items():
        write(folder, name, some_rows, **card)
    valid = [{**row, "id": f"v{i}"} for i, row in enumerate(corpus_rows("fake", 20))]
    write(folder, "valid", valid, **{**card, "role": "valid", "temperature": 1.5})
    splits = {
        "protocol": PROTOCOL,
        "train": ["t1", "t2"],
        "valid": [row["id"] for row in valid],
        "tests": {name: [row["id"] for row in r] for name, r in test_sets.items()},
        "audit": found if audits is None else audits,
        "corpora": {"fake": CORPUS} if corpora is None else corpora,
        "left_out": {},
    }
    write_json(folder / "splits.json", splits)
    record = {
        "command": "python /home/someone/train.py hparams/x.yaml --data_folder=~/corpora/fake",
        "started": "2026-11-22T10:00:00+0000",
        "commit": "abc",
        "versions": {"torch": "2.11.0"},
    }
    write_json(folder / "run.json", record)
    write_text(folder / "hyperparams.yaml", settings)
    return folder


def config_of(run: Path, **changes) -> ModelConfig:
    """The configuration of the model of such a run."""
    card = {
        "protocol": PROTOCOL,
        "experiment": "multiobjective",
        "seed": 1,
        "vad_source": "corpus",
        "temperature": 1.5,
        "base_encoder": "tiny",
        "commit": "abc",
        "training_data": training_data(read_json(run / "splits.json", "split")),
        "versions": {
            "trained_with": {"torch": "2.11.0"},
            "exported_with": {"torch": "2.11.0"},
        },
        **changes.pop("card", {}),
    }
    known = {"name": "fake-tiny", "encoder": {"family": "compact"}, "emotions": EMOTIONS}
    return ModelConfig(**{**known, "va_range": [1.0, 5.0], "card": card, **changes})


def facts_of(run: Path, results: tuple[Path, ...] = (), **changes) -> CardFacts:
    """Everything the card of such a run says."""
    return gather(run, config_of(run, **changes), results)
