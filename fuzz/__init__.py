"""Fuzzing: damaged and malicious input, case by case, against whatever reads files.

Every file in this folder without a leading underscore is one target, found by its name, with

``valid()``
    sound cases to start from, each a mapping of relative path -> content;
``try_case(folder)``
    what a user would have done with the files in the folder: it ends in a result, or in an
    :class:`~ser_brain.core.errors.SERError`; anything else is a find;

and, where it needs them,

``generated()``
    a hypothesis strategy of cases;
``mutated(case, rng)``
    in place of :func:`fuzz._mutations.mutated`.

``make fuzz`` runs them all, each in a process of its own; docs/reliability.md lists the finds.
"""
