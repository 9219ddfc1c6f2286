"""Long tests of interruptions and full disks: ``make kill``, ``make full``."""
