"""Long tests of what may go wrong: ``make kill``, ``make full``. See docs/reliability.md."""
