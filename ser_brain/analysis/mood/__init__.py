"""Mood over time: what a model predicted from one person's speech, by hour, day and week.

A description of predictions, no diagnosis. No torch. ``timeline`` reads a table of timestamped
predictions; ``description`` summarises it; ``analysis`` also compares two periods; ``report``
writes the page.
"""
