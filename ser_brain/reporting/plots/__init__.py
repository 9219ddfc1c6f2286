"""Figures for reports and papers, each as SVG and PNG. The only importers of matplotlib.

Every function takes data and a path without suffix and writes both files whole or not at all.
"""
