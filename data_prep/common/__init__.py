"""What the preparation of every corpus shares."""
