"""Corpora as an experiment sees them: manifests, labels, splits, audits of leakage, audio."""
