"""Settings, the Brain, loaders, checkpoints, the run folder and cross-validation."""
