"""The circumplex: where a model puts the emotions, and whether that is Russell's circle.

Analysis of embeddings, or of predicted valence and arousal, on labelled utterances. No torch.
"""
