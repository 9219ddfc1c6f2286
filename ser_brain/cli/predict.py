"""Predict the emotion of audio files, clip by clip, in windows or in given segments.

INPUT is a file, a folder, a quoted pattern, or - for paths on standard input: WAV, FLAC,
OGG, Opus, MP3 and other formats. Without --out, a table is printed. With --out, the rows go
to a file, and the same command continues an interrupted run. Files that cannot be scored are
listed at the end; the exit code is then 1.

    ser predict clips 'more/**/*.flac' --model MODEL --out predictions.csv
    ser predict recording.wav --model MODEL --window 4 --hop 1 --out recording.csv
    ser predict calls --model MODEL --channel each --window 4 --out calls.csv
    find . -name '*.mp3' | ser predict - --model name/model --vad --out speech.parquet
    ser predict --segments turns.csv --model MODEL --out turns_scored.csv
    ser predict calls --segments diarised.rttm --model MODEL --out calls.csv
    ser predict calls --diarise 2 --model MODEL --out calls.csv
    ser predict anna/*.wav --adapt --model MODEL --out anna.csv
    ser predict calls --model MODEL --window 4 --hop 1 --reference emotions.csv

Memory use does not depend on the length of a recording. ser mood reads the table of a
recording. See docs/predicting.md.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import SERError, first_few, one_line
from ser_brain.core.files import remove_partial, sha256_of
from ser_brain.core.hub import model_folder
from ser_brain.core.lock import beside, held
from ser_brain.core.log import get_logger, with_progress
from ser_brain.core.tables import Table, read_table, to_text
from ser_brain.data.audio import (
    CHANNELS,
    DAMAGED,
    RESAMPLER,
    AudioProblem,
    inspect,
    with_channel,
)
from ser_brain.data.corpora import parse_pair
from ser_brain.data.labels import NO_ANSWER, listed
from ser_brain.data.segment_tables import RTTM, SegmentTable, read_segments, write_rttm
from ser_brain.evaluation.emotion_timeline import judge_timelines, timeline_table

if TYPE_CHECKING:
    from ser_brain.inference.adapting import RunningAdapter
    from ser_brain.inference.output import PredictionOutput
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.inference.segments import Segmentation, Skipped

logger = get_logger(__name__)
UNUSABLE = "could not be used"
SHOWN = 20  # lines of those; with --out, a file lists all
NAMED = 5  # files that are refused for the same reason
LENGTH = re.compile(r"\d+(?:\.\d+)?(?= (?:s|samples)\b)")  # what such reasons differ in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("inputs", nargs="*", metavar="INPUT", help="files, folders, patterns, or -")
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
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument(
        "--vad", action="store_true", help="score only segments with speech (Silero VAD)"
    )
    parts.add_argument(
        "--segments",
        type=Path,
        metavar="TABLE",
        help="score these: columns file, start, stop (or duration) and, optionally, speaker, "
        "id and time; or RTTM. Without INPUT, the table names the files",
    )
    parts.add_argument(
        "--diarise",
        type=int,
        metavar="SPEAKERS",
        help="find out which of SPEAKERS people speaks when, and score their turns; with --out "
        "the turns are written as RTTM, too",
    )
    add(
        "--adapt",
        action="store_true",
        help="adapt the emotions to the speaker without labels: each piece by itself and those "
        "before it, in the order of INPUT (docs/adapting.md)",
    )
    add(
        "--reference",
        type=Path,
        metavar="TABLE",
        help="segments with a column emotion: print the emotion diarisation error rate",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    model_folder(arguments.model, arguments.revision)  # a wrong name needs no import of torch
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.inputs import audio_files
    from ser_brain.inference.recognizer import EmotionRecognizer
    from ser_brain.inference.results import require_answerable
    from ser_brain.inference.segments import Segmentation, load_speech_detector
    from ser_brain.inference.windows import check_windows
    from ser_brain.training.device import use_fast_products

    files = audio_files(arguments.inputs, sys.stdin) if arguments.inputs else []
    if arguments.diarise is not None and arguments.diarise < 1:
        raise SERError(f"Bad --diarise {arguments.diarise}; expected the number of speakers.")
    if not (files or arguments.segments):
        raise SERError("Expected INPUT, or --segments TABLE. See ser predict --help.")
    if arguments.channel and not files:
        raise SERError("--channel is for INPUT; name a channel in the table: call.wav#left.")
    if arguments.channel is not None:
        chosen = CHANNELS if arguments.channel == "each" else (arguments.channel,)
        files = [Path(with_channel(file, one)) for file in files for one in chosen]
    table = read_segments(arguments.segments, files) if arguments.segments else None
    if table is not None:
        files = list(table.parts)
    model = arguments.model, arguments.revision, arguments.device
    labels = dict(parse_pair("--labels", pair) for pair in arguments.labels)
    recognizer = EmotionRecognizer.from_pretrained(*model, arguments.precision, labels)
    require_answerable(recognizer.emotions, None, arguments.min_confidence)
    use_fast_products(recognizer.device)
    check_windows(arguments.window, arguments.hop, recognizer)
    speech = load_speech_detector() if arguments.vad else None
    reference = None
    if arguments.reference is not None:
        if not recognizer.emotions:
            raise SERError("--reference is about emotions, and this model predicts none.")
        reference = read_segments(arguments.reference, files, ["emotion"])
    copied = ["speaker"] if arguments.diarise else table.columns if table is not None else []
    running = None
    if arguments.adapt:
        from ser_brain.inference.adapting import RunningAdapter

        running = RunningAdapter(recognizer.adapter(alone="speaker" not in copied))

    def segmentation() -> Segmentation:
        found = _diarised(files, recognizer, arguments) if arguments.diarise else table
        parts = found.parts if found is not None else None
        return Segmentation(arguments.window, arguments.hop, speech, parts)

    if arguments.out is None:
        outcome, rows = _shown(
            files, recognizer, segmentation(), copied, running, arguments.min_confidence
        )
    else:
        with held(beside(arguments.out), arguments.out):
            # Before the turns are found and replaced: it may refuse to add to the table there.
            output = _output(recognizer, copied, running, arguments)
            outcome = _written(
                files, recognizer, segmentation(), copied, running, arguments, output
            )
        rows = read_table(arguments.out).rows.values() if reference else []
    return outcome if reference is None else _judged(outcome, list(rows), reference)


def _diarised(
    files: list[Path], recognizer: EmotionRecognizer, arguments: argparse.Namespace
) -> SegmentTable:
    """The turns of the speakers, as long as the model accepts where there are no windows."""
    from ser_brain.inference.diarise import Diariser, cut_to, load_voice_encoder
    from ser_brain.inference.segments import load_speech_detector
    from ser_brain.inference.waveform import longest

    voices, speech = load_voice_encoder(), load_speech_detector()
    diariser = Diariser(speech, voices.windows, arguments.diarise)
    turns = dict.fromkeys(files, [])
    for file in with_progress(files, "diarising", "files", len(files)):
        with contextlib.suppress(AudioProblem, *DAMAGED):  # scoring says what is wrong with it
            turns[file] = diariser.turns(file)
    if arguments.out is not None:
        write_rttm(arguments.out.with_suffix(RTTM), turns)
    if arguments.window is None:
        longest_s = longest(recognizer.sample_rate_hz, recognizer.max_samples)
        turns = {file: cut_to(parts, longest_s) for file, parts in turns.items()}
    return SegmentTable(turns, ["speaker"])


def _judged(outcome: Outcome, rows: list[dict], reference: SegmentTable) -> Outcome:
    """The same, and how well the emotions agree with the reference."""
    items = outcome.facts["left_out"]
    unscored = {item["file"] for item in items if item["start_s"] is None}
    files = [file for file in reference.parts if str(file) not in unscored]
    durations_s = {str(file): inspect(file).duration_s for file in files}
    facts = judge_timelines(rows, reference, durations_s)
    facts["unscored"] = len(reference.parts) - len(files)
    text = f"{outcome.text}\n\n{to_text(timeline_table(facts))}"
    if facts["unscored"]:
        text += f"\nRecordings without any score, not judged: {facts['unscored']:,}."
    return Outcome(text, {**outcome.facts, "eder": facts}, outcome.exit_code)


def _shown(
    files: list[Path],
    recognizer: EmotionRecognizer,
    segmentation: Segmentation,
    copied: list[str],
    running: RunningAdapter | None,
    min_confidence: float,
) -> tuple[Outcome, list[dict]]:
    from ser_brain.inference.predict import predict
    from ser_brain.inference.segments import merged

    rows, skipped = [], []
    todo = dict.fromkeys(files, 0)
    scored = predict(recognizer, todo, segmentation, copied, running, min_confidence)
    for chunk, found in scored:
        rows += found
        skipped += chunk.skipped
    skipped = merged(skipped)
    lines = [to_text(_table(rows)), *_without_answer(_refused(rows), len(rows))] if rows else []
    lines += _listed([item for item in skipped if item.is_problem], UNUSABLE)
    lines += _listed([item for item in skipped if not item.is_problem], "without a score")
    facts = {"predictions": rows, "left_out": [asdict(item) for item in skipped]}
    return Outcome("\n".join(lines), facts, _exit_code(skipped)), rows


def _output(
    recognizer: EmotionRecognizer,
    copied: list[str],
    running: RunningAdapter | None,
    arguments: argparse.Namespace,
) -> PredictionOutput:
    """The table to write; an error if one is there that was made with other settings."""
    from ser_brain.inference.model_folder import CONFIG, WEIGHTS, find_model
    from ser_brain.inference.output import PredictionOutput
    from ser_brain.inference.predict import columns
    from ser_brain.inference.published import files_of, is_published

    # The checksums distinguish the model from any other.
    folder, _ = find_model(arguments.model, arguments.revision)
    names = files_of(folder) if is_published(folder) else (CONFIG, WEIGHTS)
    settings = {name: sha256_of(folder / name) for name in names}
    settings |= {"window": arguments.window, "hop": arguments.hop}
    settings |= {"vad": arguments.vad, "precision": arguments.precision}
    settings |= {"channel": arguments.channel} if arguments.channel else {}
    settings |= {"segments": sha256_of(arguments.segments)} if arguments.segments else {}
    settings |= {"diarise": arguments.diarise} if arguments.diarise else {}
    sure = arguments.min_confidence
    settings |= {"min_confidence": sure} if sure else {}
    names = columns(recognizer, copied, running is not None)
    return PredictionOutput(arguments.out, names, settings)


def _written(
    files: list[Path],
    recognizer: EmotionRecognizer,
    segmentation: Segmentation,
    copied: list[str],
    running: RunningAdapter | None,
    arguments: argparse.Namespace,
    output: PredictionOutput,
) -> Outcome:
    """Score and write; continue where an earlier run stopped."""
    from ser_brain.inference.predict import predict

    remove_partial(arguments.out.parent, *output.names)
    remaining = output.remaining(files)
    if running is not None and remaining != dict.fromkeys(files, 0) and remaining:
        raise SERError(
            f"{arguments.out} has rows of some of the files, and --adapt needs all pieces in "
            "their order. Remove it and its journal, or give another --out."
        )
    count = refused = 0
    scored = ()
    if remaining:
        sure = arguments.min_confidence
        scored = predict(recognizer, remaining, segmentation, copied, running, sure)
    for chunk, rows in scored:
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
    groups: dict[object, list[Skipped]] = {}
    for item in skipped:
        key = LENGTH.sub("", item.reason) if item.is_whole else item
        groups.setdefault(key, []).append(item)
    lines = [f"{title}:"]
    for alike in [*groups.values()][:most]:
        places = [one_line(_place(item)) for item in alike]
        files = f"{len(places):,} files ({first_few(places, NAMED)})"
        lines.append(f"  {files if len(places) > 1 else places[0]}: {_reason(alike)}")
    more = sum(map(len, [*groups.values()][most:])) if most else 0
    return [*lines, f"  and {more:,} more"] if more else lines


def _reason(alike: list[Skipped]) -> str:
    """The reason that items have in common; lengths become ``61.0 to 75.5``."""
    lengths = zip(*(LENGTH.findall(item.reason) for item in alike), strict=True)
    ends = [(min(each, key=float), max(each, key=float)) for each in lengths]
    texts = iter(low if low == high else f"{low} to {high}" for low, high in ends)
    return LENGTH.sub(lambda _: next(texts), alike[0].reason)


def _place(item: Skipped) -> str:
    if item.is_whole:
        return item.file
    if item.stop_s is None:
        return f"{item.file}, from {item.start_s:.3f} s on"
    return f"{item.file}, {item.start_s:.3f} s to {item.stop_s:.3f} s"


def _exit_code(skipped: list[Skipped]) -> int:
    return int(any(item.is_problem for item in skipped))
