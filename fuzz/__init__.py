"""Fuzzing: damaged and malicious input for everything that reads files.

Every file in this folder without a leading underscore is one target. It has

``valid()``
    valid cases to start from, each a mapping of relative path -> content;
``try_case(folder)``
    what a user would do with the files in the folder: it ends in a result, or in an
    :class:`~ser_brain.core.errors.SERError`; anything else is a finding;

and, where needed,

``generated()``
    a hypothesis strategy of cases;
``mutated(case, rng)``
    instead of :func:`fuzz._mutations.mutated`.

``make fuzz`` runs them all, each in its own process; docs/reliability.md lists the findings.
"""
