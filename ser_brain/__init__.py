"""SER Recipes: speech emotion recognition that can be trained, judged, explained and shipped."""

__version__ = "0.1.0"
