"""How late is `ser listen`, and how much of the machine does it take?

    python benchmarks/live.py MODEL RECORDING [--seconds 60] [--hops 1 0.5 0.05] [--adapt]

Plays a recording in real time into what `ser listen` runs, in windows of 4 s, for each hop. The
delay is from the end of a window, as the microphone hears it, to its score. The real-time
factor is the time that scoring takes for a second of audio: below 1, every window is scored;
above, windows are skipped and the delay stays bounded. CPU time holds on a busy machine, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from machine import describe

from ser_brain.inference.live import POLL_S, Backlog, listen, warm_up
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.training.device import use_fast_products

WINDOW_S = 4.0
THREADS = torch.get_num_threads()


def play(samples_S: np.ndarray, rate_hz: int, backlog: Backlog) -> None:
    """Put blocks as a microphone does: each when its last sample would have been heard."""
    block, began = round(POLL_S * rate_hz), time.monotonic()
    for start in range(0, len(samples_S), block):
        time.sleep(max(0.0, began + (start + block) / rate_hz - time.monotonic()))
        backlog.put(samples_S[start : start + block])
    backlog.end()


def measure(
    recognizer: EmotionRecognizer,
    samples_S: np.ndarray,
    rate_hz: int,
    hop_s: float,
    adapt: bool,
) -> dict:
    """Listen to a recording at the speed of life."""
    torch.set_num_threads(THREADS)
    warm_up(recognizer, rate_hz, WINDOW_S, hop_s)
    window = samples_S[: round(WINDOW_S * rate_hz)]
    times, cpu = [], []
    for _ in range(9):
        began, began_cpu = time.perf_counter(), time.process_time()
        recognizer.stream(rate_hz, WINDOW_S, WINDOW_S).feed(window)
        times.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    backlog = Backlog(rate_hz, hop_s, WINDOW_S + hop_s)
    playing = threading.Thread(target=play, args=[samples_S, rate_hz, backlog])
    playing.start()
    rows = list(listen(recognizer, backlog, rate_hz, WINDOW_S, hop_s, adapt))
    playing.join()
    delays_s = [row["delay_s"] for row in rows[:-1]]  # the last one waits for the end
    return {
        "hop_s": hop_s,
        "threads": torch.get_num_threads(),
        "windows": len(rows),
        "skipped": sum(row["skipped"] for row in rows),
        "score_s": statistics.median(times),
        "score_cpu_s": statistics.median(cpu),
        "real_time_factor": statistics.median(times) / hop_s,
        "real_time_factor_cpu": statistics.median(cpu) / hop_s,
        "delay_s": statistics.median(delays_s),
        "delay_95_s": float(np.quantile(delays_s, 0.95)),
        "delay_most_s": max(delays_s),
    }


def main() -> None:
    """Print a line for each hop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hops", type=float, nargs="+", default=[1, 0.5, 0.05])
    parser.add_argument("--adapt", action="store_true")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    recognizer = EmotionRecognizer.from_pretrained(chosen.model, device="cpu")
    use_fast_products("cpu")
    samples_S, rate_hz = soundfile.read(chosen.recording, dtype="float32")
    samples_S = samples_S[: round(chosen.seconds * rate_hz)]
    found = [measure(recognizer, samples_S, rate_hz, hop, chosen.adapt) for hop in chosen.hops]
    report = {"machine": describe("cpu"), "model": recognizer.name, "hops": found}
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=1))
    print(f"{recognizer.name}, windows of {WINDOW_S:g} s; {report['machine']}")
    for one in found:
        print(
            f"hop {one['hop_s']:g} s, {one['threads']} threads: {one['windows']} scored, "
            f"{one['skipped']} skipped; "
            f"{one['score_s']:.3f} s a window (CPU {one['score_cpu_s']:.3f} s), real-time "
            f"factor {one['real_time_factor']:.2f} (CPU {one['real_time_factor_cpu']:.2f}); "
            f"delay {one['delay_s']:.2f} s, 95 % below {one['delay_95_s']:.2f} s, at most "
            f"{one['delay_most_s']:.2f} s"
        )


if __name__ == "__main__":
    main()
