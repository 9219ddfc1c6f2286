"""The ground of everything, without speech: errors, files, locks, logs, tables."""
