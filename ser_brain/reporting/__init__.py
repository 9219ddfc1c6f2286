"""Numbers as tables, figures and HTML pages. No torch."""
