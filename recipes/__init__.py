"""The three experiments; each is one small leaf of :class:`ser_brain.brain.SERBrain`."""
