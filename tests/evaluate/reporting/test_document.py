"""Markdown and HTML of one small document."""

import pytest

from speaker_bases.evaluate.reporting.document import (
    Figure,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
)


def document(tmp_path):
    image = tmp_path / "figures" / "dot.png"
    image.parent.mkdir()
    image.write_bytes(b"\x89PNG")
    return [
        Heading("A & B", level=1),
        Paragraph("made by `run < file`, **really**"),
        Table(["system", "EER"], [["a|b", "1.50"], ["<c>", "10.25"]], numeric=frozenset({1})),
        Figure(image, "a dot"),
    ]


def test_markdown(tmp_path):
    assert to_markdown(document(tmp_path), tmp_path) == (
        "# A & B\n\n"
        "made by `run < file`, **really**\n\n"
        "| system | EER |\n| --- | ---: |\n| a\\|b | 1.50 |\n| \\<c> | 10.25 |\n\n"
        "![a dot](figures/dot.png)\n"
    )


@pytest.mark.hostile
def test_html_escapes_and_embeds(tmp_path):
    text = to_html(document(tmp_path))
    assert "<title>A &amp; B</title>" in text and "<h1>A &amp; B</h1>" in text
    assert "<p>made by <code>run &lt; file</code>, <strong>really</strong></p>" in text
    assert '<tr><td>&lt;c&gt;</td><td class="number">10.25</td></tr>' in text
    assert '<img src="data:image/png;base64,iVBORw==" alt="a dot">' in text
