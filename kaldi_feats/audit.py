"""The part of the audit that is about a data directory: recordings, features, trial lists."""

from pathlib import Path

import joblib

from ..audit import Audit
from ..command_line import InputError
from ..parallel import parallel
from ..progress import progress
from .audio import read_recording
from .checks import validate_data_dir
from .data_dir import table_lines
from .kinds import KINDS, FeatureKind, kind_dir
from .pipe import Limits
from .reader import FeatureReader, VectorReader, read_num_frames
from .validate import validate_trials


def audit_data_dir(audit: Audit, data_dir: Path, num_jobs: int = 1) -> None:
    """Read all of a data directory: its tables, every recording, every ark, every list.

    Args:
        audit: collects what is wrong.
        data_dir: the data directory; what it does not have yet is not missed.
        num_jobs: processes that read recordings.
    """
    if not audit.of(lambda: validate_data_dir(data_dir, audio=False)):
        return
    _audit_recordings(audit, data_dir / "wav.scp", num_jobs)
    for kind in KINDS.values():
        folder = kind_dir(data_dir, kind.name)
        if (folder / "feats.scp").is_file():
            _audit_features(audit, folder, kind)
        audit.stamp(folder / f".{kind.name}.done", "stage 1")
    audit.of(lambda: validate_trials(data_dir))


def _audit_recordings(audit: Audit, wav_scp: Path, num_jobs: int) -> None:
    sources = [source for _, source in table_lines(wav_scp)]
    work = (joblib.delayed(_problem_of)(source, wav_scp, n) for n, source in enumerate(sources, 1))
    found = []
    with progress(total=len(sources), desc=f"recordings of {wav_scp}", unit="utt") as bar:
        for problem in parallel(num_jobs)(work):
            bar.update()
            found += [problem] if problem else []
    audit.looked_at += len(sources)
    for _, text in sorted(found):
        audit.report(text)


def _problem_of(source: str, wav_scp: Path, line: int) -> tuple[int, str] | None:
    try:
        read_recording(source, f"{wav_scp}:{line}", Limits())
    except InputError as error:
        return line, str(error)
    return None


def _audit_features(audit: Audit, data_dir: Path, kind: FeatureKind) -> None:
    if not audit.of(lambda: validate_data_dir(data_dir, features=True, audio=False)):
        return
    reader, num_frames = FeatureReader(data_dir / "feats.scp"), read_num_frames(data_dir)
    vectors = [VectorReader(data_dir / f"{name}.scp") for name in kind.vectors]
    bands: int | None = None
    for utterance in progress(reader.utterances, desc=f"features of {data_dir}", unit="utt"):
        audit.looked_at += 1
        try:
            bands = reader.of_shape(utterance, num_frames[utterance], bands).shape[1]
            for vector in vectors:
                vector.of_length(utterance, num_frames[utterance])
        except InputError as error:
            audit.report(str(error))
