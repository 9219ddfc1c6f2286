"""Figures for reports and papers. Only these modules and those named plots import matplotlib.

Every function takes data and a path without suffix, and writes the files that
``frame.save`` describes: SVG, PNG and PDF, and without title for papers.
"""
