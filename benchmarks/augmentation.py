"""Whether augmented training views help a frozen encoder, on clean and on distorted speech.

    python -m benchmarks.augmentation CORPORA ENCODER CACHE

Mean and standard deviation over time of one layer, standardised, logistic regression with
balanced weights (C = 0.01), five folds of speakers within each corpus. Training takes the clean
clips, or the clean clips and augmented views of them, each clip with a total weight of one. The
test clips are clean, or distorted with another seed. Embeddings are kept in CACHE.

CORPORA contains emodb/wav/03a01Fa.wav ..., korean_ets and emovo with labels.csv, and
urdu/SM1_F19_A019.flac ...
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ser_brain.data.augmentation import Augmentation
from ser_brain.data.dataset import load_signal
from ser_brain.models.encoders import load_encoder

LAYER, SEED, TEST_SEED, VIEWS = 3, 1, 1001, 2
RATE_HZ = 16_000
EMOTIONS = ("anger", "happiness", "sadness", "neutral")
SINGLE = {
    "speed": {"probability": 1},
    "reverb": {"probability": 1},
}
NOISES = ["white", "pink", "brown", "speech", "babble"]
PRESET = {
    "speed": {"probability": 0.5},
    "reverb": {"probability": 0.3},
    "noise": {"probability": 0.3, "kinds": NOISES},
    "telephone": {"probability": 0.3},
}
TESTS = {
    "telephone": {"telephone": {"probability": 1, "codecs": ["alaw"]}},
    "noise 10 dB": {"noise": {"probability": 1, "kinds": NOISES, "snr_db": [10, 10]}},
    "reverb 0.6 s": {"reverb": {"probability": 1, "rt60_s": [0.6, 0.6], "direct_db": [0, 0]}},
}
# Name -> settings, seed and number of the view.
EMBEDDED: dict[str, tuple[dict, int, int]] = {
    "clean": ({}, SEED, 0),
    **{f"test {name}": (settings, TEST_SEED, 1) for name, settings in TESTS.items()},
    **{f"preset {n}": (PRESET, SEED, n) for n in range(1, VIEWS + 1)},
    **{name: ({name: settings}, SEED, 1) for name, settings in SINGLE.items()},
}
TRAINED = {
    "clean": ["clean"],
    f"preset, {VIEWS} views": ["clean", *(f"preset {n}" for n in range(1, VIEWS + 1))],
    **{f"{name}, 1 view": ["clean", name] for name in SINGLE},
}
RESAMPLES = 1000
NAMES = {"angry": "anger", "happy": "happiness", "sad": "sadness"}


def emodb(folder: Path):
    names = dict(zip("WFTN", EMOTIONS, strict=True))
    for path in sorted(folder.glob("wav/*.wav")):
        if path.stem[5] in names:
            yield path, path.stem[:2], names[path.stem[5]]


def urdu(folder: Path):
    names = dict(zip("AHSN", EMOTIONS, strict=True))
    for path in sorted(folder.glob("*.flac")):
        speaker, _, number = path.stem.split("_")
        yield path, speaker, names[number[0]]


def table(folder: Path):
    with open(folder / "labels.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            emotion = row.get("emotion") or NAMES.get(row["label"], row["label"])
            if emotion in EMOTIONS:
                yield folder / row["file"], row["speaker"], emotion


CORPORA = {"emodb": emodb, "emovo": table, "korean_ets": table, "urdu": urdu}


def embeddings(clips, encoder, augmentation, number, shown) -> np.ndarray:
    """Mean and standard deviation of each clip's frames, (N, 2 D)."""
    found = []
    for path, _, _ in clips:
        samples_S = augmentation.view(load(path), path.stem, number)
        with torch.inference_mode():
            signal_BS = torch.from_numpy(samples_S)[None]
            frames_TD = encoder(signal_BS, torch.tensor([len(samples_S)]))[0][0]
        found.append(torch.cat([frames_TD.mean(0), frames_TD.std(0, correction=0)]).numpy())
    sys.stderr.write(f"{shown}\n")
    return np.stack(found)


def load(path: Path) -> np.ndarray:
    return load_signal(str(path), None, None, RATE_HZ).numpy()


def embedded(name: str, clips, encoder, cache: Path) -> dict[str, np.ndarray]:
    found = {}
    limits = (encoder.min_samples, encoder.max_samples)
    talkers = {path.stem: lambda path=path: load(path) for path, _, _ in clips}
    for kind, (settings, seed, number) in EMBEDDED.items():
        file = cache / f"{name} {kind}.npy"
        if not file.is_file():
            made = Augmentation(settings, seed, RATE_HZ, limits, talkers)
            np.save(file, embeddings(clips, encoder, made, number, file.stem))
        found[kind] = np.load(file, allow_pickle=False)
    return found


def predictions(found, truth_N, speakers_N, views: list[str]) -> dict[str, np.ndarray]:
    """Test condition -> predicted classes, each clip by the fold that did not train on it."""
    conditions = {name.removeprefix("test "): name for name in found if name.startswith("test")}
    conditions = {"clean": "clean", **conditions}
    predicted = {condition: truth_N.copy() for condition in conditions}
    for train, test in GroupKFold(5).split(truth_N, truth_N, speakers_N):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
        )
        rows = np.concatenate([found[view][train] for view in views])
        weights = np.full(len(rows), 1 / len(views))  # or more views would regularise less
        labels = np.tile(truth_N[train], len(views))
        model.fit(rows, labels, logisticregression__sample_weight=weights)
        for condition, kind in conditions.items():
            predicted[condition][test] = model.predict(found[kind][test])
    return predicted


def uar(truth_N, predicted_N) -> float:
    """Mean recall of the classes that occur."""
    counts = np.bincount(truth_N, minlength=len(EMOTIONS))
    hits = np.bincount(truth_N[truth_N == predicted_N], minlength=len(EMOTIONS))
    return float(np.mean(hits[counts > 0] / counts[counts > 0]))


def gain(truth_N, speakers_N, ours_N, theirs_N, rng) -> np.ndarray:
    """Differences of UAR in resamples of speakers."""
    members = [np.flatnonzero(speakers_N == speaker) for speaker in np.unique(speakers_N)]
    gains = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate(
            [members[n] for n in rng.integers(len(members), size=len(members))]
        )
        gains.append(uar(truth_N[drawn], ours_N[drawn]) - uar(truth_N[drawn], theirs_N[drawn]))
    return np.array(gains)


def main() -> None:
    corpora, source, cache = map(Path, sys.argv[1:])
    cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    encoder = load_encoder(str(source), freeze="all", layer=LAYER, dropouts={}).eval()
    results = {}
    for name, list_clips in CORPORA.items():
        clips = list(list_clips(corpora / name))
        truth_N = np.array([EMOTIONS.index(emotion) for _, _, emotion in clips])
        speakers_N = np.array([speaker for _, speaker, _ in clips])
        found = embedded(name, clips, encoder, cache)
        results[name] = (
            truth_N,
            speakers_N,
            {
                trained: predictions(found, truth_N, speakers_N, views)
                for trained, views in TRAINED.items()
            },
        )
    write(results)


def write(results: dict) -> None:
    conditions = ["clean", *TESTS]
    for condition in conditions:
        sys.stdout.write(
            f"\ntest: {condition}\n| trained on | {' | '.join(results)} | mean | gain |\n"
        )
        for trained in TRAINED:
            values, gains = [], []
            for truth_N, speakers_N, predicted in results.values():
                ours_N, clean_N = predicted[trained][condition], predicted["clean"][condition]
                values.append(uar(truth_N, ours_N))
                rng = np.random.default_rng(0)
                gains.append(gain(truth_N, speakers_N, ours_N, clean_N, rng))
            low, high = np.quantile(np.mean(gains, axis=0), [0.025, 0.975])
            mean = np.mean(values)
            cells = " | ".join(f"{value:.3f}" for value in values)
            sys.stdout.write(
                f"| {trained} | {cells} | {mean:.3f} | [{low:+.3f}, {high:+.3f}] |\n"
            )


if __name__ == "__main__":
    main()
