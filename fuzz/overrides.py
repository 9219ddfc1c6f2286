"""The command line of train.py: settings and SpeechBrain's options, in any order.

Imports SpeechBrain, so hypothesis is not used.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from fuzz._mutations import NUMBERS, TEXTS, content
from fuzz.settings import BASE, BUILDS
from ser_brain.core.errors import SERError
from ser_brain.training.command_line import parse
from ser_brain.training.config import load_settings, read_settings

WORDS = [
    "base.yaml",
    "--seed=3",
    "--batch_size",
    "4",
    "--device=cpu",
    "--emotions=[anger, fear]",
]
MORE = (
    *("--seed=abc", "--seed=-1", "--seed=1e99", "--corpora=..."),
    *("--corpora=[{corpus: demo}]", "--seed"),
    *("--corpora=[]", "--emotions=[ä, ö]", "--output_folder={}"),
    *("--batch_size=99999999999999999999",),
    *("--device=cuda:99", "--device", "--precision=fp99", "--debug", "--", "-", "---"),
    *("--=", "-x"),
    *("--experiment=שלום", "--data_folder=*a", "--data_folder=&a [*a]", "--lr_heads=.inf"),
    *("--va_range=5",),
    *("--seed=!ref <seed>", "--seed=!ref <nothing>"),
    *("--text=!!python/object/apply:os.getcwd []",),
    *("other.yaml", "--split_fractions=[1,2]", "--sed=3", "--max_grad_norm=x", "--jit"),
    *("--help=1",),
)  # fmt: skip


def valid() -> list[dict[str, bytes]]:
    """A settings file and six words."""
    return [{"base.yaml": BASE, "words.txt": "\0".join(WORDS).encode()}]


def mutated(case: Mapping[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Swap, drop, replace or damage words."""
    words = case["words.txt"].split(b"\0")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(words) + 1)
        what = rng.randrange(5)
        if what == 0:
            rng.shuffle(words)
        elif what == 1 and len(words) > 1:
            del words[at - 1]
        elif what == 2:
            words.insert(at, rng.choice(MORE).encode())
        elif what == 3:
            key = rng.choice((b"--seed=", b"--emotions=", b"--text=", b"--data_folder=", b""))
            said = rng.choice((*NUMBERS, *TEXTS)).encode("utf-8", "surrogatepass")
            words.insert(at, key + said)
        elif words:
            words[at - 1] = content(words[at - 1], rng)[:200_000]
    return {**case, "words.txt": b"\0".join(words)}


def try_case(folder: Path) -> None:
    """Parse the words as the shell would pass them, then read the settings they name."""
    words = (folder / "words.txt").read_bytes().split(b"\0")
    path, overrides, _ = parse([word.decode("utf-8", "surrogateescape") for word in words])
    if path != "base.yaml":
        raise SERError("another file")
    text = read_settings(folder / "base.yaml", overrides)
    if not any(tag in text for tag in BUILDS):
        load_settings(text)
