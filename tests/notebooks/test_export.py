"""notebooks/export.py: pages that need no network."""

import re
from html import unescape
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

pytest.importorskip("nbconvert", reason="nbconvert makes the pages")
pytest.importorskip("latex2mathml", reason="latex2mathml makes the formulas")

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]_*.solved.ipynb"))

FETCHED = r"<(script|img|link)[^>]+(src|href)=.http|@import|url\(.?http|import\(.http"


def without_code(html):
    return re.sub(r"<(script|style|pre|code)\b.*?</\1>", "", html, flags=re.DOTALL)


@pytest.fixture
def notebook():
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "a picture"}
    outputs = [
        new_output("display_data", data, metadata={"image/png": {"alt": 'a "picture"'}}),
        new_output("display_data", {"text/markdown": "so $y = 2$"}),
    ]
    said = new_code_cell(
        "say('$y$')", outputs=outputs, metadata={"jupyter": {"source_hidden": True}}
    )
    text = "# $L_S$: a\n\n$$\\sum_i\nx_i$$\n\nand `$PATH`, 5 $ or $z$\n\n```\n$a$\n```"
    return new_notebook(cells=[new_markdown_cell(text), said])


def test_formulas_are_drawn_without_a_script(export, notebook):
    html = export.page(notebook, "0_a")
    assert html.count("<math") == 4 and "<title>0_a</title>" in html
    assert "$PATH" in html and "$a$" in html
    assert not re.search(FETCHED, html)


def test_pictures_are_described_and_folded_code_is_left_out(export, notebook):
    html = export.page(notebook, "0_a")
    assert re.search(r"""alt=['"]a "picture\"""", unescape(html))
    assert "say(" not in html


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.name[0])
def test_every_formula_of_a_chapter_is_understood(export, path):
    html = export.page(nbformat.read(path, as_version=4), path.stem)
    assert "<math" in html
    assert not re.search(r"\$[^$\n<]*[\\_^][^$\n<]*\$", without_code(html))
    assert not re.search(FETCHED, html)
