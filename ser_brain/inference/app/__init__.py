"""``ser app``: a page on this machine that scores a recording."""
