"""Using a trained model: the model folder, safe loading, scores of clips, the page."""
