"""Sending a model folder to a model hub."""
