"""The solved notebooks as web pages that need no network: ``python notebooks/export.py FOLDER``.

Each page is one file: pictures and sounds are in it, and formulas are MathML, which browsers draw
by themselves. (A plain ``jupyter nbconvert --to html`` fetches a script for the formulas.)
"""

import argparse
import re
from pathlib import Path

import nbformat

FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+(?:\n[^$\n]+)?)\$", re.DOTALL)
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML needs none
# No script is loaded, and a picture's description is where the notebooks keep it.
TEMPLATE = """\
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block data_png -%}
<div class="jp-RenderedImage jp-OutputArea-output">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
 alt="{{ output | get_metadata('alt', 'image/png') | escape_html }}" style="max-width: 100%">
</div>
{%- endblock -%}
"""


def with_mathml(markdown: str) -> str:
    """Markdown whose formulas are MathML; those in code stay what they are."""
    from latex2mathml.converter import convert

    def formula(match):
        display = match["display"] is not None
        latex = match["display"] if display else match["inline"]
        mathml = convert(" ".join(latex.split()), display="block" if display else "inline")
        return mathml.replace("\n", "").replace(NAMESPACE, "")

    parts = CODE.split(markdown)
    return "".join(p if at % 2 else FORMULA.sub(formula, p) for at, p in enumerate(parts))


def page(notebook: nbformat.NotebookNode, title: str) -> str:
    """A notebook as HTML.

    Args:
        notebook: with its outputs.
        title: of the page.
    """
    from nbconvert import HTMLExporter

    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output.data["text/markdown"] = with_mathml(output.data["text/markdown"])
    exporter = HTMLExporter(raw_template=TEMPLATE)
    return exporter.from_notebook_node(notebook, {"metadata": {"name": title}})[0]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python notebooks/export.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="for the pages; made if it is not there")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(__file__).resolve().parent.glob("[0-9]_*.solved.ipynb")):
        name = path.name.removesuffix(".solved.ipynb")
        html = page(nbformat.read(path, as_version=4), name)
        (args.folder / f"{name}.html").write_text(html, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
