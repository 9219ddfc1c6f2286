"""SER Recipes: speech emotion recognition to train, judge, explain and ship."""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``EmotionRecognizer``, which brings torch, on first use alone."""
    if name == "EmotionRecognizer":
        return importlib.import_module("ser_brain.inference.recognizer").EmotionRecognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
