"""The paper's Figure 1 and Figure 2, DET curves and losses, drawn from chosen systems."""

import argparse
import contextlib
import logging
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..command_line import InputError, run_tool, whole_number
from ..run_dir import RunDir
from .reporting import plots
from .reporting.results import result_of
from .speaker_space import impostor_cosines, load_bases
from .training_set import TrainingSet, read_training_set
from .trial_list import load_trial_list

_MOST_UTTERANCES = 200
"""Of one speaker in Figure 1; more would only hide each other."""

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Draw one figure; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m speaker_bases.evaluate.figures",
        description="Draw Figure 1 or 2 of Heo et al. 2019, which need the embeddings of the "
        "training set (python -m speaker_bases.evaluate.embed --run RUN --data-dir data/train), "
        "DET curves, which need scores, or the losses while training.",
    )
    figures = parser.add_subparsers(dest="figure", required=True)
    space = figures.add_parser(
        "speakers",
        help="Figure 1: embeddings, means and bases of a few training speakers",
        description="Figure 1: a t-SNE map of the embeddings of a few training speakers, their "
        "means (triangles) and their bases (crosses). The paper's five are chosen at random.",
    )
    space.add_argument("--run", type=Path, required=True, help="a trained run's folder")
    space.add_argument("--speakers", nargs="+", help="whom (default: those of most utterances)")
    space.add_argument(
        "--number", type=whole_number(1), default=5, help="how many, if not named (default: 5)"
    )
    space.add_argument("--seed", type=whole_number(0), default=0, help="of t-SNE (default: 0)")
    pairs = figures.add_parser(
        "impostors",
        help="Figure 2: cosines between the mean embeddings of training speakers",
        description="Figure 2: a histogram of the cosines between the mean embeddings of all "
        "pairs of training speakers, for each system.",
    )
    pairs.add_argument("--runs", type=Path, nargs="+", required=True, help="their folders")
    det = figures.add_parser(
        "det",
        help="DET curves of several systems on one trial list",
        description="The DET curves of the systems' scores on one trial list.",
    )
    det.add_argument("--runs", type=Path, nargs="+", required=True, help="their folders")
    det.add_argument("--list", required=True, help="name of a file in DIR/trials")
    det.add_argument("--backend", default="cosine", help="(default: cosine)")
    curves = figures.add_parser(
        "curves",
        help="the losses while training",
        description="Every loss of each system over the epochs of its training, from its log.csv.",
    )
    curves.add_argument("--runs", type=Path, nargs="+", required=True, help="their folders")
    curves.add_argument("--out", type=Path, required=True, help="the PNG file to write")
    for figure, data in ((space, "training"), (pairs, "training"), (det, "test")):
        figure.add_argument(
            "--data-dir", type=Path, required=True, metavar="DIR", help=f"{data} data directory"
        )
        figure.add_argument("--out", type=Path, required=True, help="the PNG file to write")
    args = parser.parse_args(argv)
    if args.figure == "speakers":
        return run_tool(lambda: draw_speakers(args))
    draw = {"impostors": draw_impostors, "det": draw_det, "curves": draw_curves}[args.figure]
    return run_tool(lambda: draw([RunDir(path) for path in args.runs], args))


def draw_speakers(args: argparse.Namespace) -> None:
    """Figure 1.

    Raises:
        InputError: if something of the system is missing, or a speaker is unknown.
    """
    run = RunDir(args.run)
    space = read_training_set(run, args.data_dir)
    bases = load_bases(run)
    chosen = _choose(space, args.speakers, args.number)
    points, means, crosses = speaker_map(space, bases, chosen, args.seed)
    figure = Figure(figsize=(6.5, 6), layout="constrained")
    axes = figure.subplots()
    for at, speaker in enumerate(chosen):
        colour = f"C{at % 10}"
        axes.scatter(*points[at].T, s=14, color=colour, alpha=0.6, label=space.speakers[speaker])
        axes.scatter(*means[at], s=150, marker="^", color=colour, edgecolor="black", zorder=3)
        axes.scatter(*crosses[at], s=150, marker="X", color=colour, edgecolor="black", zorder=3)
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"{_name(run)}: embeddings, means (triangles), bases (crosses)")
    axes.legend(title="speaker", fontsize="small")
    plots.save_png(figure, args.out)
    log.info("%s written", args.out)


def draw_impostors(runs: list[RunDir], args: argparse.Namespace) -> None:
    """Figure 2; the means of the cosines stand in the legend and in the log, there those of the
    bases too, which L_BC is about.

    Raises:
        InputError: if something of a system is missing.
    """
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(-1, 1, 101)
    for run in runs:
        cosines = impostor_cosines(read_training_set(run, args.data_dir).means())
        mean = f"{_name(run)}: mean {cosines.mean():.3f}"
        axes.hist(cosines, bins, density=True, alpha=0.5, label=mean)
        log.info("%s of %d impostor cosines (%s)", mean, len(cosines), run.path)
        with contextlib.suppress(InputError):  # GE2E has no bases
            bases = impostor_cosines(load_bases(run)).mean()
            log.info("%s: mean %.4f of the bases' cosines (%s)", _name(run), bases, run.path)
    axes.set(xlabel="cosine between the mean embeddings of two training speakers", yticks=[])
    axes.legend()
    plots.save_png(figure, args.out)
    log.info("%s written", args.out)


def draw_det(runs: list[RunDir], args: argparse.Namespace) -> None:
    """DET curves of one trial list, in the order of the systems.

    Raises:
        InputError: if there is no such list, or the scores of a system are missing or broken.
    """
    trials = load_trial_list(args.data_dir, args.list)
    results = []
    for run in runs:
        config = run.read_config()
        corpus = config.get("corpus", "")
        results.append(result_of(run, config, trials, args.backend, corpus))
    plots.det(results, args.out)
    log.info("%s written", args.out)


def draw_curves(runs: list[RunDir], args: argparse.Namespace) -> None:
    """Losses over epochs, a panel for each system.

    Raises:
        InputError: if a system has no log.
    """
    logs = {}
    for run in runs:
        if not run.log.is_file():
            raise InputError(f"{run.log}: missing; train the system first (stage 2)")
        logs[f"{run.system}, {_name(run)}"] = run.log
    plots.training_curves(logs, args.out)
    log.info("%s written", args.out)


def speaker_map(
    space: TrainingSet, bases: np.ndarray, chosen: list[int], seed: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Embeddings, means and bases of some speakers on one t-SNE map of their directions.

    Args:
        space: the training set's embeddings.
        bases: (speakers, dim).
        chosen: indices of speakers.
        seed: of t-SNE, and of the choice among a speaker's utterances if there are too many.

    Returns:
        For each speaker its utterances (utterances, 2); the means (len(chosen), 2); the bases
        (len(chosen), 2).
    """
    from sklearn.manifold import TSNE  # a second to import, for one figure

    draws = np.random.default_rng(seed)
    utterances = []
    for speaker in chosen:
        own = space.embeddings[space.labels == speaker]
        utterances.append(draws.permutation(own)[:_MOST_UTTERANCES])
    directions = np.concatenate([*utterances, space.means()[chosen], bases[chosen]])
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    # t-SNE's perplexity, the number of neighbours that count, must stay below that of points.
    perplexity = min(30.0, (len(directions) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    flat = tsne.fit_transform(directions.astype(np.float32))
    ends = np.cumsum([len(own) for own in utterances])
    points = np.split(flat[: ends[-1]], ends[:-1])
    means, crosses = np.split(flat[ends[-1] :], 2)
    return points, means, crosses


def _choose(space: TrainingSet, names: list[str] | None, number: int) -> list[int]:
    if names:
        unknown = [name for name in names if name not in space.speakers]
        if unknown:
            raise InputError(f"--speakers: {unknown[0]} is not among the training speakers")
        return [space.speakers.index(name) for name in names]
    counts = np.bincount(space.labels, minlength=len(space.speakers))
    chosen = np.argsort(-counts, kind="stable")[: max(1, number)]
    if counts[chosen].min() < 2:
        log.warning("speakers with a single utterance: embedding and mean are the same point")
    return chosen.tolist()


def _name(run: RunDir) -> str:
    return run.read_config()["loss"]


if __name__ == "__main__":
    raise SystemExit(main())
