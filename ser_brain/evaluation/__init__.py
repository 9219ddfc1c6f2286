"""Predictions and what they are worth: metrics, intervals, tests, comparisons. No torch."""
