"""Making a release: the versions that are locked, and the wheel that is checked."""
