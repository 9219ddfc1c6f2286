"""Shipping a model: export, model card, hub, verification."""
