"""What everything else rests on, with nothing about speech: errors, files, locks, tables."""
