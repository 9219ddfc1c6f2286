"""What predictions and embeddings show: the circumplex, and mood over time."""
