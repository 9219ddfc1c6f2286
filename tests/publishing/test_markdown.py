"""Text from data is shown and never obeyed; a card is read as the hub reads it."""

import jinja2
import pytest
from markdown_it import MarkdownIt

from ser_brain.publishing.markdown import block, code, fill, literal, parts_of_markdown

HOSTILE = [
    "a | b",
    "[x](javascript:alert)",
    "![x](http://example.org/p.png)",
    "<script>alert(1)</script>",
    "*a* _b_ `c` $d$ ~~e~~",
    "# heading",
    "back\\slash",
    "&lt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_literal_text_reads_as_it_is(text):
    (inline,) = [t for t in MarkdownIt("commonmark").parse(literal(text)) if t.type == "inline"]
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    assert "".join(child.content for child in inline.children) == text


@pytest.mark.parametrize("text", ["a", "a`b", "```", "x ``` y"])
def test_code_holds_its_text(text):
    (inline,) = [t for t in MarkdownIt().parse(code(text)) if t.type == "inline"]
    assert [(c.type, c.content.strip()) for c in inline.children] == [("code_inline", text)]
    (fence,) = MarkdownIt().parse(block(text))
    assert fence.content == f"{text}\n"


def test_a_name_that_the_template_misses():
    with pytest.raises(jinja2.UndefinedError):
        fill("model_card.md.j2")


TEXT = """# One

text [a](b%20c.md) and ![d](figures/e.png) and `[no](code)`

## Two

```
{{ x }} <b>
```

## Three

<img src="x.png">

word<br>word <i>

| a | b |
|---|---|
| 1<br>2 | 3 |
"""


def test_parts():
    parts = parts_of_markdown(TEXT)
    assert parts.sections.keys() == {"One", "Two", "Three"}
    assert (parts.sections["One"], parts.sections["Two"]) == (1, 0)
    assert parts.pictures == ["figures/e.png"] and parts.links == ["b c.md"]
    assert parts.html == ['<img src="x.png">', "<i>"]
    assert "{{ x }}" not in " ".join(parts.prose) and "word" in parts.prose
    assert parts.tables == [[["a", "b"], ["1\n2", "3"]]]
