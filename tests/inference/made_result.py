"""Results without a recording, and a reader of their HTML."""

import re
from html.parser import HTMLParser

from ser_brain.inference.app.result import ScoredRecording
from ser_brain.inference.segments import Skipped

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]
PROBABILITIES = ([0.7, 0.1, 0.1, 0.1], [0.3, 0.1, 0.2, 0.4])


def made_result(windows=1, emotions=EMOTIONS, va_range=(1, 5), name="a.wav", warnings=""):
    """Windows of 4 s, one every 2 s; a hole of 6 s after the third."""
    rows = []
    for n in range(windows):
        start = 2.0 * n + (6.0 if n > 2 else 0.0)
        row = {"file": name, "start": start, "stop": start + 4}
        if emotions:
            probabilities = PROBABILITIES[n % 2]
            row["emotion"] = emotions[probabilities.index(max(probabilities))]
            row |= {f"p_{e}": p for e, p in zip(emotions, probabilities, strict=True)}
        if va_range:
            row |= {"valence": 4.0, "arousal": 3.0 + n}
        rows.append({**row, "warnings": warnings})
    hole = [Skipped(name, 8.0, 12.0, "silent")] if windows > 3 else []
    window_s = 4.0 if windows > 1 else None
    stop = rows[-1]["stop"]
    return ScoredRecording(
        "m", name, stop, window_s, list(rows[0]), rows, hole, emotions, va_range, []
    )


class Seen(HTMLParser):
    """What a page shows: its words, and its tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags, self._words = [], []
        self.feed(page)
        self.words = re.sub(r"\s+", " ", "".join(self._words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] != "style":
            self._words.append(data)

    def all(self, tag):
        """The attributes of every tag of a name."""
        return [attributes for name, attributes in self.tags if name == tag]
