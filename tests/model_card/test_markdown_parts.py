"""What a Markdown text consists of."""

from ser_brain.model_card.markdown_parts import parts_of_markdown

TEXT = """# One

text [a](b%20c.md) and ![d](figures/e.png) and `[no](code)`

## Two

```
{{ x }} <b>
```

## Three

<img src="x.png">

word<br>word <i>
"""


def test_parts():
    parts = parts_of_markdown(TEXT)
    assert parts.sections == {"One": 1, "Two": 0, "Three": 1}
    assert parts.pictures == ["figures/e.png"] and parts.links == ["b c.md"]
    assert parts.html == ['<img src="x.png">', "<i>"]
    assert "{{ x }}" not in " ".join(parts.prose) and "word" in parts.prose
