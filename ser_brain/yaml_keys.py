"""The top-level keys of a YAML text, as text: what settings are merged by."""

from __future__ import annotations

import yaml

from ser_brain.errors import SERError

# Of a settings file. The project's own has 5 thousand characters and 200 values.
MOST_CHARACTERS = 100_000
MOST_VALUES = 10_000  # with its aliases written out


def split_keys(text: str, name: str) -> dict[str, str]:
    """Cut a YAML text into its top-level keys.

    Nothing is built of it, and aliases are not followed: a text that would grow beyond
    measure is refused before anything expands it.

    Parameters
    ----------
    text : str
        A YAML mapping in block style.
    name : str
        Where it comes from, for errors.

    Returns
    -------
    dict
        key -> its text, with the comment lines right above it.

    Raises
    ------
    SERError
        If it is no such mapping, names a key twice, or is too deep or too large.

    Examples
    --------
    >>> split_keys("a: 1\\n# why\\nb:\\n  c: 2\\n", "example")
    {'a': 'a: 1\\n', 'b': '# why\\nb:\\n  c: 2\\n'}
    """
    if len(text) > MOST_CHARACTERS:
        raise SERError(f"{name}: over {MOST_CHARACTERS:,} characters; no settings need them.")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return {}
        size = _expanded(root, {})
    except yaml.YAMLError as error:
        raise SERError(f"Bad YAML in {name}{_fault(error, text)}.") from error
    except RecursionError:
        raise SERError(f"Bad YAML in {name}: nested too deep, or within itself.") from None
    if size > MOST_VALUES:
        raise SERError(
            f"Bad YAML in {name}: with its aliases written out it has over {MOST_VALUES:,} "
            "values; no settings need them."
        )
    flat = isinstance(root, yaml.MappingNode) and not root.flow_style
    if not flat or not all(isinstance(key, yaml.ScalarNode) for key, _ in root.value):
        raise SERError(f"Bad settings in {name}: expected `key: value` lines.")
    lines = text.splitlines(keepends=True)
    keys = [key.value for key, _ in root.value]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise SERError(f"Bad settings in {name}: {', '.join(twice)} given more than once.")
    starts = [_with_comment(lines, key.start_mark.line) for key, _ in root.value]
    stops = [*starts[1:], len(lines)]
    return {
        key: "".join(lines[start:stop]).rstrip("\n") + "\n"
        for key, start, stop in zip(keys, starts, stops, strict=True)
    }


def _fault(error: yaml.YAMLError, text: str) -> str:
    """Where a text is no YAML, and why."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": {' '.join(str(error).split())}"
    lines = len(text.splitlines())
    line = f", line {min(error.problem_mark.line + 1, lines)}" if lines > 1 else ""
    return f"{line}: {' '.join(error.problem.split())}"


def _with_comment(lines: list[str], start: int) -> int:
    while start > 0 and lines[start - 1].startswith("#"):
        start -= 1
    return start


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, each alias counted with all that it repeats."""
    if id(node) not in known:
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            inner = (part for pair in node.value for part in pair)
        known[id(node)] = 1 + sum(_expanded(part, known) for part in inner)
    return known[id(node)]
