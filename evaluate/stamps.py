"""What embeddings and scores were made from, so that what is current is not made again."""

from pathlib import Path

from ..command_line import InputError
from ..files import content_digest
from ..kaldi_feats.data_dir import read_table
from ..kaldi_feats.kinds.record import feature_settings
from ..kaldi_feats.reader import FeatureReader
from ..kaldi_feats.scp_digest import scp_digest
from ..run_dir import RunDir
from ..stamp import Stamp
from .backends import BACKENDS
from .trial_list import TrialList


def embedding_stamp(run: RunDir, data_dir: Path, name: str, made_by: str) -> Stamp:
    """The stamp of a set's embeddings.

    Args:
        run: the run.
        data_dir: the data directory with the features.
        name: the embeddings' name.
        made_by: what computes them from the features: the network's digest.
    """
    inputs = {
        "made_by": made_by,
        "computed_in": "float32",
        "features": feature_settings(data_dir),
        "contents": FeatureReader(data_dir / "feats.scp").digest(),
    }
    scp = run.embeddings(name)
    return Stamp(run.embeddings_done(name), inputs, (scp, scp.with_suffix(".ark")))


def score_stamp(run: RunDir, trials: TrialList, backend: str, embeddings: str) -> Stamp:
    """The stamp of a trial list's scores by one back-end.

    Args:
        run: the run.
        trials: the list.
        backend: one of `BACKENDS`.
        embeddings: the embeddings' name.
    """
    inputs = {
        "set": embeddings,
        "trials": trials.digest,
        "speakers": _digest_if_there(run.speakers),
        "embeddings": _contents(run.embeddings(embeddings)),
    }
    inputs |= BACKENDS.find(backend).made_of(run)
    scores = run.scores(trials.name, backend)
    return Stamp(run.scores_done(trials.name, backend), inputs, [scores])


def why_stale(run: RunDir, trials: TrialList, backend: str) -> str | None:
    """Why a score file is not of the run and the trial list as they now are; None if it is.

    A score file without a stamp is another program's, which its user vouches for.
    """
    done = run.scores_done(trials.name, backend)
    if not done.is_file():
        return None
    made = Stamp(done, {}).read()
    if made is None:
        return f"{done} is damaged; run stage 4 again"
    embeddings = str(made.get("set", ""))
    if not score_stamp(run, trials, backend, embeddings).is_current():
        return "scored from other embeddings, back-end or trial list, or changed; run stage 4 again"
    embedded = Stamp(run.embeddings_done(embeddings), {}).read()
    made_by = run.embedder_digest()
    if embedded and made_by and embedded["made_by"] != made_by:
        return "embedded by an earlier training; run stages 3 and 4 again"
    return None


def _contents(scp: Path) -> str | None:
    """Of embeddings, which another program may have made; None if they are not there."""
    try:
        return scp_digest(scp, read_table(scp))
    except InputError:
        return None


def _digest_if_there(path: Path) -> str | None:
    return content_digest(path) if path.is_file() else None
