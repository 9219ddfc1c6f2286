"""Predict the emotion of audio files, clip by clip or in windows.

INPUT is a file, a folder, a quoted pattern, or - for paths on standard input: WAV, FLAC,
OGG, Opus or MP3. Without --out a table is printed. With --out the rows go to a file, and
the same command continues an interrupted run. Files that cannot be scored are listed at the
end; the exit code is then 1.

    ser predict clips 'more/**/*.flac' --model MODEL --out predictions.csv
    ser predict recording.wav --model MODEL --window 4 --hop 1 --out recording.csv
    ser predict calls --model MODEL --channel each --window 4 --out calls.csv
    find . -name '*.mp3' | ser predict - --model name/model --vad --out speech.parquet

The memory does not depend on the length of a recording. ser mood reads the table of a
recording.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import one_line
from ser_brain.core.files import remove_partial, sha256_of
from ser_brain.core.hub import model_folder
from ser_brain.core.lock import beside, held
from ser_brain.core.log import get_logger
from ser_brain.core.tables import Table, to_text
from ser_brain.data.audio import CHANNELS, RESAMPLER, with_channel
from ser_brain.data.corpora import parse_pair
from ser_brain.data.labels import NO_ANSWER, listed

if TYPE_CHECKING:
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.inference.segments import Segmentation, Skipped

logger = get_logger(__name__)
UNUSABLE = "could not be used"
SHOWN = 20  # of those; with --out, a file lists all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="files, folders, patterns, or -")
    add("--model", required=True, metavar="MODEL", help="model folder or hub id")
    add("--revision", help="branch, tag or commit of a hub id")
    meant = "what a published model's classes mean, such as LABEL_0=anger"
    add("--labels", **MANY, metavar="RAW=CLASS", help=meant)
    add("--device", help="such as cpu or cuda:0 (default: a GPU, if any)")
    add(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 is faster on devices that support it, and rounds (default: fp32)",
    )
    add("--out", type=Path, metavar="FILE", help=".csv, .jsonl or .parquet")
    add("--window", type=float, metavar="S", help="length of the windows in seconds")
    add(
        "--hop",
        type=float,
        metavar="S",
        help="step between windows in seconds (default: --window)",
    )
    add(
        "--channel",
        choices=(*CHANNELS, "each"),
        help="of files with two channels, such as telephone calls (default: their average)",
    )
    sure = "answer no_answer where no class is as probable as P (default: 0)"
    add("--min_confidence", type=float, default=0.0, metavar="P", help=sure)
    add("--vad", action="store_true", help="score only segments with speech (Silero VAD)")


def run(arguments: argparse.Namespace) -> Outcome:
    model_folder(arguments.model, arguments.revision)  # a wrong name needs no import of torch
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.inputs import audio_files
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.inference.results import require_answerable
    from ser_brain.inference.segments import Segmentation, load_speech_detector
    from ser_brain.inference.windows import check_windows
    from ser_brain.training.device import use_fast_products

    files = audio_files(arguments.inputs, sys.stdin)
    if arguments.channel is not None:
        chosen = CHANNELS if arguments.channel == "each" else (arguments.channel,)
        files = [Path(with_channel(file, one)) for file in files for one in chosen]
    model = arguments.model, arguments.revision, arguments.device
    labels = dict(parse_pair("--labels", pair) for pair in arguments.labels)
    recognizer = EmotionRecognizer.from_pretrained(*model, arguments.precision, labels)
    require_answerable(recognizer.emotions, None, arguments.min_confidence)
    use_fast_products(recognizer.device)
    check_windows(arguments.window, arguments.hop, recognizer)
    speech = load_speech_detector() if arguments.vad else None
    segmentation = Segmentation(arguments.window, arguments.hop, speech)
    if arguments.out is None:
        return _shown(files, recognizer, segmentation, arguments.min_confidence)
    with held(beside(arguments.out), arguments.out):
        return _written(files, recognizer, segmentation, arguments)


def _shown(
    files: list[Path],
    recognizer: EmotionRecognizer,
    segmentation: Segmentation,
    min_confidence: float,
) -> Outcome:
    from ser_brain.inference.predict import predict
    from ser_brain.inference.segments import merged

    rows, skipped = [], []
    remaining = dict.fromkeys(files, 0)
    for chunk, found in predict(recognizer, remaining, segmentation, min_confidence):
        rows += found
        skipped += chunk.skipped
    skipped = merged(skipped)
    lines = [to_text(_table(rows)), *_without_answer(_refused(rows), len(rows))] if rows else []
    lines += _listed([item for item in skipped if item.is_problem], UNUSABLE)
    lines += _listed([item for item in skipped if not item.is_problem], "without a score")
    facts = {"predictions": rows, "left_out": [asdict(item) for item in skipped]}
    return Outcome("\n".join(lines), facts, _exit_code(skipped))


def _written(
    files: list[Path],
    recognizer: EmotionRecognizer,
    segmentation: Segmentation,
    arguments: argparse.Namespace,
) -> Outcome:
    """Score and write; continue where an earlier run stopped."""
    from ser_brain.inference.model_folder import CONFIG, WEIGHTS, find_model
    from ser_brain.inference.output import PredictionOutput
    from ser_brain.inference.predict import columns, predict
    from ser_brain.inference.published import files_of, is_published

    # The checksums distinguish the model from any other.
    folder, _ = find_model(arguments.model, arguments.revision)
    names = files_of(folder) if is_published(folder) else (CONFIG, WEIGHTS)
    settings = {name: sha256_of(folder / name) for name in names}
    settings |= {"window": segmentation.window_s, "hop": segmentation.hop_s}
    settings |= {"vad": arguments.vad, "precision": arguments.precision}
    settings |= {"channel": arguments.channel} if arguments.channel else {}
    sure = arguments.min_confidence
    settings |= {"min_confidence": sure} if sure else {}
    output = PredictionOutput(arguments.out, columns(recognizer), settings)
    remove_partial(arguments.out.parent, *output.names)
    remaining = output.remaining(files)
    count = refused = 0
    found = predict(recognizer, remaining, segmentation, sure) if remaining else ()
    for chunk, rows in found:
        output.add(chunk, rows)
        count += len(rows)
        refused += _refused(rows)
    output.finish()
    logger.info(f"Audio at other rates than {recognizer.sample_rate_hz} Hz: {RESAMPLER}.")
    skipped = output.skipped
    lines = [f"new rows: {count:,}; files done before: {len(files) - len(remaining):,}"]
    lines += _without_answer(refused, count)
    lines += _listed([item for item in skipped if item.is_problem], UNUSABLE, SHOWN)
    if skipped:
        lines.append(f"skipped: {len(skipped):,}, listed in {output.skipped_path}")
    if recognizer.va_range is not None:
        low, high = recognizer.va_range
        lines.append(f"scale of {listed(recognizer.dimensions)}: {low:g} to {high:g}")
    lines.append(f"predictions: {arguments.out}")
    facts = {
        "out": str(arguments.out),
        "new_rows": count,
        "va_range": recognizer.va_range,
        "left_out": [asdict(item) for item in skipped],
    }
    return Outcome("\n".join(lines), facts, _exit_code(skipped))


def _table(rows: list[dict]) -> Table:
    """The columns that fit on a line."""
    head = [name for name in rows[0] if not name.startswith("p_")]
    if not any(row["warnings"] for row in rows):
        head.remove("warnings")
    if "emotion" in head:
        head.insert(head.index("emotion") + 1, "probability")
        classes = [name for name in rows[0] if name.startswith("p_")]
        rows = [{**row, "probability": max(row[name] for name in classes)} for row in rows]
    return Table("predictions", "", head, [[row[name] for name in head] for row in rows])


def _refused(rows: list[dict]) -> int:
    return sum(row.get("emotion") == NO_ANSWER for row in rows)


def _without_answer(refused: int, rows: int) -> list[str]:
    return [f"below --min_confidence, {NO_ANSWER}: {refused:,} of {rows:,}"] if refused else []


def _listed(skipped: list[Skipped], title: str, most: int | None = None) -> list[str]:
    if not skipped:
        return []
    lines = [f"{title}:"]
    lines += [f"  {one_line(_place(item))}: {item.reason}" for item in skipped[:most]]
    more = len(skipped[most:]) if most else 0
    return [*lines, f"  and {more:,} more"] if more else lines


def _place(item: Skipped) -> str:
    if item.is_whole:
        return item.file
    if item.stop_s is None:
        return f"{item.file}, from {item.start_s:.3f} s on"
    return f"{item.file}, {item.start_s:.3f} s to {item.stop_s:.3f} s"


def _exit_code(skipped: list[Skipped]) -> int:
    return int(any(item.is_problem for item in skipped))
