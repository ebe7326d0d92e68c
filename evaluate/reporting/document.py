"""A short document of headings, paragraphs, tables and figures, as Markdown and as HTML."""

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the document's own."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Text in which `code` and **bold** are marked as in Markdown."""

    text: str


@dataclass(frozen=True)
class Table:
    """A header and rows of the same number of cells; `numeric` columns are aligned right."""

    header: list[str]
    rows: list[list[str]]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A PNG file and what is to be seen on it."""

    path: Path
    caption: str


Block = Heading | Paragraph | Table | Figure

_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left }
.number { text-align: right; font-variant-numeric: tabular-nums }
figure { margin: 2rem 0 } img { max-width: 100% } figcaption { color: #555 }
code { background: #f3f3f3; overflow-wrap: anywhere }
"""


def to_markdown(blocks: list[Block], folder: Path) -> str:
    """The document as Markdown; figures are linked relative to `folder`."""
    return "\n".join(_markdown(block, folder) for block in blocks)


def _markdown(block: Block, folder: Path) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_without_html(text)}\n"
        case Paragraph(text):
            return f"{_without_html(text)}\n"
        case Figure(path, caption):
            return f"![{_without_html(caption)}]({quote(path.relative_to(folder).as_posix())})\n"
        case Table(header, rows, numeric):
            rule = ["---:" if column in numeric else "---" for column in range(len(header))]
            escaped = [
                [_without_html(cell).replace("|", r"\|") for cell in row]
                for row in [header, rule, *rows]
            ]
            return "".join(f"| {' | '.join(row)} |\n" for row in escaped)


def _without_html(text: str) -> str:
    """Markdown in which nothing, such as the name of a list, is taken for HTML."""
    parts = text.split("`")  # within backticks nothing is
    parts[::2] = [part.replace("<", r"\<") for part in parts[::2]]
    return "`".join(parts)


def to_html(blocks: list[Block]) -> str:
    """The document as one HTML file with the figures inside it."""
    titles = [block.text for block in blocks if isinstance(block, Heading)]
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{html.escape(titles[0] if titles else '')}</title>\n"
        f"<style>\n{_STYLE}</style>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Figure(path, caption):
            data = base64.b64encode(path.read_bytes()).decode()
            return (
                f'<figure><img src="data:image/png;base64,{data}" alt="{html.escape(caption)}">'
                f"<figcaption>{_inline(caption)}</figcaption></figure>"
            )
        case Table(header, rows, numeric):
            lines = [_html_row("th", header, numeric)]
            lines += [_html_row("td", row, numeric) for row in rows]
            return "<table>\n" + "\n".join(lines) + "\n</table>"


def _html_row(tag: str, cells: list[str], numeric: frozenset[int]) -> str:
    marks = [' class="number"' if column in numeric else "" for column in range(len(cells))]
    inside = (f"<{tag}{m}>{_inline(c)}</{tag}>" for m, c in zip(marks, cells, strict=True))
    return f"<tr>{''.join(inside)}</tr>"


def _inline(text: str) -> str:
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
