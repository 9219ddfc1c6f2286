"""Markdown that shows what data says and obeys nothing of it."""

import jinja2
import pytest
from markdown_it import MarkdownIt

from ser_brain.model_card.markdown import block, code, fill, literal
from ser_brain.model_card.origin import published_command

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
    kinds = {child.type for child in inline.children}
    assert kinds <= {"text", "text_special"}
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


@pytest.mark.parametrize(
    "typed, published",
    [
        ("python train.py hparams/x.yaml", "python train.py hparams/x.yaml"),
        ("python ../a/train.py --x=/b/c/d.csv", "python .../train.py --x=.../d.csv"),
        ("ser folds '--c=[{d: ~/e/f, g: h}]'", "ser folds '--c=[{d: .../f, g: h}]'"),
        ("it's broken /a/b", "it's broken .../b"),
    ],
)
def test_folders_are_not_published(typed, published):
    assert published_command({"command": typed}) == published


def test_no_command():
    assert published_command({}) is None
