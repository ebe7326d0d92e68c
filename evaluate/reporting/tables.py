"""The text of RESULTS.md: what was measured, how, and what it may be compared with."""

import math
from itertools import groupby

import numpy as np

from .document import Block, Heading, Paragraph, Table
from .paper import (
    BACKEND_OF_TABLE,
    FUTURE_WORK,
    NAGRANI,
    TABLE_OF_CORPUS,
    TABLES,
    gain,
    position,
    rows_of,
)
from .results import LLR_COLUMNS, Collected, Result, groups

INTERVAL = (
    "The 95 % interval is a bootstrap over the list's speakers: how far the EER would move with "
    "other speakers of the same kind. Over several seeds, EER and minDCF are means, followed by "
    "the lowest and highest EER, and the interval is the widest."
)


def document(found: Collected, corpus: str, about: dict, made: str) -> list[Block]:
    """All of RESULTS.md but the figures.

    Args:
        found: what `collect` returned.
        corpus: the corpus's name.
        about: the corpus's YAML, whose `description` says what its numbers are comparable with.
        made: command and date.
    """
    blocks = [Heading(f"Results on {corpus}", level=1)]
    blocks += [Paragraph(about[key].strip()) for key in ("notice", "description") if key in about]
    blocks.append(Paragraph(made))
    for name, backend, group in groups(found.results):
        blocks += _list_section(name, backend, group, found.lists[name], corpus)
    blocks += backends_section(found.results)
    trained = [f"{name}: {'; '.join(texts)}" for name, texts in found.training.items() if texts]
    if trained:
        trained.sort(key=lambda text: position(text.partition(":")[0]))
        blocks.append(Paragraph(f"Training: {'. '.join(trained)}."))
    if found.results:
        blocks.append(Paragraph(INTERVAL))
    else:
        blocks.append(Paragraph("Nothing has been scored yet."))
    if corpus in TABLE_OF_CORPUS:
        blocks += paper_section(found.results, TABLE_OF_CORPUS[corpus], found.differences)
    if found.left_out:
        blocks.append(Heading("Left out"))
        blocks += [Paragraph(sentence) for sentence in found.left_out]
    return blocks


def _list_section(
    name: str, backend: str, results: list[Result], counts: dict, corpus: str
) -> list[Block]:
    paragraph = (
        f"{counts['trials']:,} trials ({counts['targets']:,} target, {counts['nontargets']:,} "
        f"non-target) of {counts['utterances']:,} utterances of {counts['speakers']:,} speakers; "
        f"back-end: {backend}."
    )
    if counts["dropped"]:
        paragraph += (
            f" The list has {counts['dropped']:,} more trials, of utterances that have no features "
            "(--allow-missing): the error rates are not those of the whole list."
        )
    header = ["system", "loss", "seeds", "EER %", "95 % interval"]
    header += ["minDCF p=0.01", "minDCF p=0.05"]
    calibrated = any(math.isfinite(result.row["cllr"]) for result in results)
    if calibrated:
        header += ["C_llr", "min C_llr", "DCF p=0.01", "DCF p=0.05"]
    by_system = {s: list(g) for s, g in groupby(results, key=lambda r: r.row["system"])}
    losses = {row.system: row.loss for row in rows_of(corpus)}
    rows = []
    for system in sorted(by_system.keys() | losses, key=position):
        if system in by_system:
            rows.append(_row(system, by_system[system]))
        else:
            rows.append([system, losses[system], "not run", "", "", "", ""])
        if calibrated:
            rows[-1] += _llr_cells([result.row for result in by_system.get(system, [])])
    return [
        Heading(f"Trial list {name}, {backend}"),
        Paragraph(paragraph),
        Table(header, rows, numeric=frozenset(range(3, len(header)))),
    ]


def _llr_cells(rows: list[dict]) -> list[str]:
    """Means over the seeds that are calibrated."""
    known = [row for row in rows if math.isfinite(row["cllr"])]
    if not known:
        return [""] * len(LLR_COLUMNS)
    return [f"{np.mean([row[column] for row in known]):.3f}" for column in LLR_COLUMNS]


def _row(system: str, results: list[Result]) -> list[str]:
    rows = [result.row for result in results]
    eer = _mean_and_range([row["eer_percent"] for row in rows])
    low, high = min(row["eer_low"] for row in rows), max(row["eer_high"] for row in rows)
    interval = "too few speakers" if math.isnan(low) else f"{low:.2f} to {high:.2f}"
    costs = [f"{np.mean([row[c] for row in rows]):.3f}" for c in ("min_dcf_0.01", "min_dcf_0.05")]
    seeds = " ".join(str(seed) for seed in sorted(row["seed"] for row in rows))
    return [system, rows[0]["loss"], seeds, eer, interval, *costs]


def _mean_and_range(rates: list[float]) -> str:
    if not rates:
        return "not run"
    mean = f"{np.mean(rates):.2f}"
    return f"{mean} ({min(rates):.2f} to {max(rates):.2f})" if len(rates) > 1 else mean


def backends_section(results: list[Result]) -> list[Block]:
    """EER by each back-end side by side, of the systems that several have scored on one list."""
    cells: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for result in results:
        key = result.row["trial_list"], result.row["system"]
        cells.setdefault(key, {}).setdefault(result.row["backend"], []).append(result)
    cells = {key: by_backend for key, by_backend in cells.items() if len(by_backend) > 1}
    if not cells:
        return []
    backends = sorted({backend for by_backend in cells.values() for backend in by_backend})
    rows = []
    for (name, system), by_backend in sorted(cells.items(), key=lambda item: item[0][0]):
        rates = [
            [result.row["eer_percent"] for result in by_backend.get(backend, [])]
            for backend in backends
        ]
        rows.append([name, system, *[_mean_and_range(of_one) for of_one in rates]])
    header = ["trial list", "system", *[f"EER % by {backend}" for backend in backends]]
    numeric = frozenset(range(2, len(header)))
    return [Heading("Back-ends side by side"), Table(header, rows, numeric)]


def paper_section(
    results: list[Result], table: int, differences: dict[str, list[str]]
) -> list[Block]:
    """The paper's table, with ours of the same list and back-end beside each number.

    Args:
        results: ours.
        table: 2 or 4.
        differences: what to name beside each system.
    """
    backend = BACKEND_OF_TABLE[table]
    ours: dict[tuple[str, str], list[float]] = {}
    for result in results:
        if result.in_the_papers_table:
            key = result.row["system"], result.row["trial_list"]
            ours.setdefault(key, []).append(result.row["eer_percent"])
    center = next(row for row in TABLES[table] if row.loss == "L_S + L_C")
    rows = []
    for row in TABLES[table]:
        for name, eer in row.eer.items():
            mine = float(np.mean(ours.get((row.system, name), math.nan)))
            cells = [f"{eer:.2f}" if math.isfinite(eer) else "-"]
            cells.append(f"{mine:.2f}" if math.isfinite(mine) else "not run")
            reference = float(np.mean(ours.get((center.system, name), math.nan)))
            gains = (gain(eer, center.eer[name]), gain(mine, reference))
            if row is center:
                gains = ("", "")
            notes = "; ".join(differences.get(row.system, []))
            rows.append([row.title, row.loss, name, *cells, *gains, notes])
    header = ["system", "loss", "trial list", "the paper's EER %", "ours"]
    header += ["the paper's gain over centre, %", "ours", "differs from the paper"]
    text = (
        f"Heo et al. 2019, Table {table}, scored by {backend}. Ours: mean over seeds. A run that "
        "differs in what the paper gives has no number here."
    )
    labels = {row.label for row in TABLES[table]}
    if NAGRANI in labels:
        text += " The systems that it quotes are scored by back-ends of their own."
    if FUTURE_WORK in labels:
        text += " For its future work it has no numbers."
    return [
        Heading(f"The paper's Table {table}"),
        Paragraph(text),
        Table(header, rows, numeric=frozenset({3, 4, 5, 6})),
    ]
