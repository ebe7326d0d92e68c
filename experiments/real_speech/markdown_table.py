"""Markdown of a table."""


def as_table(lines: list[list[str]], left: int) -> str:
    """A Markdown table of a head and rows; all but the first columns are aligned right."""
    rule = ["---" if column < left else "---:" for column in range(len(lines[0]))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [lines[0], rule, *lines[1:]])
