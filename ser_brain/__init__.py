"""SER Recipes: speech emotion recognition to train, judge, explain and ship."""

__version__ = "0.1.0"
