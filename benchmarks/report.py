"""How much time and memory a report of many predictions takes.

    python benchmarks/report.py [PREDICTIONS]

Made-up predictions (100,000 unless given) of a multi-objective model with four classes, by one
speaker per hundred, in two languages.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from ser_brain.evaluation.predictions import write_predictions
from ser_brain.reporting.report import write_report

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]
CARD = {
    "role": "test",
    "emotions": EMOTIONS,
    "va_range": [1, 5],
    "protocol": "made-up/speaker/intended/4-class+valence-arousal/seed 1",
    "experiment": "multiobjective",
    "seed": 1,
    "synthetic": True,
    "temperature": 1.5,
}


def made_up(count: int) -> list[dict]:
    """Rows of a model that is often right."""
    rng = np.random.default_rng(1)
    true_N = rng.integers(4, size=count)
    log_probs_NC = log_softmax(rng.normal(size=(count, 4)) + 2 * np.eye(4)[true_N], axis=1)
    rated_N2 = rng.uniform(1, 5, (count, 2))
    said_N2 = rated_N2 + rng.normal(0, 0.7, (count, 2))
    speaker_N = rng.integers(max(2, count // 100), size=count)
    return [
        {
            "id": f"made-up_{n}",
            "corpus": "made-up",
            "speaker": f"made-up_{speaker_N[n]}",
            "gender": "female" if speaker_N[n] % 2 else "male",
            "language": "deu" if speaker_N[n] % 3 else "kor",
            "duration": 2.0,
            "label_source": "intended",
            "emotion": EMOTIONS[true_N[n]],
            "valence": float(rated_N2[n, 0]),
            "arousal": float(rated_N2[n, 1]),
            "log_probabilities": dict(zip(EMOTIONS, log_probs_NC[n].tolist(), strict=True)),
            "predicted_emotion": EMOTIONS[log_probs_NC[n].argmax()],
            "predicted_valence": float(said_N2[n, 0]),
            "predicted_arousal": float(said_N2[n, 1]),
        }
        for n in range(count)
    ]


def main() -> None:
    """Write the predictions, then time the report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        write_predictions(Path(folder) / "predictions", "made-up", made_up(count), None, CARD)
        wall, cpu = time.perf_counter(), time.process_time()
        page, _ = write_report(folder)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count:,} predictions: {time.perf_counter() - wall:.1f} s "
            f"({time.process_time() - cpu:.1f} s of CPU), peak {peak_mb:,.0f} MB, "
            f"page {page.stat().st_size / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
