"""What a job left, and whether it is complete.

Results are digests by name, so that differences can be named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch

from ser_brain.core.files import PARTIAL, SUMS, changed_files, sha256_of
from ser_brain.data.manifest import card_path, read_card, require_as_written
from ser_brain.evaluation.predictions import card_path as predictions_card
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.inference.model_folder import load_model
from ser_brain.training.feature_cache import FeatureCache, read_features
from ser_brain.training.fold_processes import OUTPUT


def files(*patterns: str) -> Callable[[Path], dict[str, str]]:
    """Digests of all files with these names."""

    def result(place: Path) -> dict[str, str]:
        found = sorted(path for pattern in patterns for path in place.glob(pattern))
        return {str(p.relative_to(place)): sha256_of(p) for p in found if _counts(p)}

    return result


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(".lock")  # a killed process's is no lock


def trained(run: Path) -> dict[str, str]:
    """Predictions, losses, tables and the weights of every kept checkpoint."""
    found = files("predictions/*", "splits.json")(run)
    log = (run / "train_log.jsonl").read_text().splitlines()
    epochs = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in log]
    weights = [weights_hash(path) for path in run.glob("save/CKPT+*/modules.ckpt")]
    return {**found, **tables(run), "losses": repr(epochs), "weights": repr(sorted(weights))}


def tables(run: Path) -> dict[str, str]:
    """The numbers of a report."""
    results = json.loads((run / "report" / "results.json").read_text())
    return {"tables": json.dumps(results["test_sets"], sort_keys=True)}


def weights_hash(checkpoint: Path) -> str:
    """SHA-256 of all tensors of a checkpoint, with their names."""
    digest = hashlib.sha256()
    for name, tensor in torch.load(checkpoint, weights_only=True).items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def left_over(place: Path) -> list[str]:
    """What stopped processes left, which the last run must remove.

    An empty folder, whose file was just renamed, is allowed: if all is done, that run writes
    nothing, and the next run that writes removes it.
    """
    found = [path for path in place.rglob(f"{PARTIAL}*") if any(path.iterdir())]
    return sorted(str(path.relative_to(place)) for path in found)


def require_whole(place: Path) -> None:
    """Raise ValueError if a file with its final name is incomplete or has changed."""
    for path in place.rglob("*.json"):
        if PARTIAL not in str(path):
            json.loads(path.read_text(encoding="utf-8"))
    for path in place.glob("**/predictions/*.jsonl"):
        if predictions_card(path).is_file():
            read_predictions(path)
    for path in place.glob("**/save/CKPT+*"):
        if not (path / SUMS).is_file() or changed_files(path):
            raise ValueError(f"{path} is no whole checkpoint")
    for path in place.glob("manifests/*.json"):
        if not path.name.endswith(".card.json") and card_path(path).is_file():
            require_as_written(path, read_card(path))
    for page in place.glob("**/report/index.html"):
        if not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            raise ValueError(f"{page} is cut")
    for path in place.glob(f"cache/features/*/*{FeatureCache.suffix}"):
        read_features(path, 1, FeatureCache.kind)
    for path in place.glob(f"**/{OUTPUT}"):
        if "Traceback" in path.read_text(encoding="utf-8"):
            raise ValueError(f"{path}: a traceback\n{path.read_text(encoding='utf-8')}")
    if (place / "model").exists():
        load_model(place / "model")
