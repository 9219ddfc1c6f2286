"""The three experiments, each a :class:`ser_brain.training.brain.SERBrain`."""
