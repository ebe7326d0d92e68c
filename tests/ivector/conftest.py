"""Kaldi's small i-vector system: what its own programs computed."""

import gzip

import kaldiio
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from speaker_bases.kaldi_feats.mfcc.frames import ivector_features, voiced_frames


@pytest.fixture(scope="session")
def golden_features(kaldi_golden_ivector):
    """Of a set, the features of each utterance."""

    def read(name):
        cepstra = kaldiio.load_ark(str(kaldi_golden_ivector / f"mfcc_{name}.ark"))
        return {
            utterance: ivector_features(matrix, voiced_frames(matrix))
            for utterance, matrix in cepstra
        }

    return read


@pytest.fixture(scope="session")
def golden_posteriors(kaldi_golden_ivector):
    """Of a set, the posteriors (frames, 32) of each utterance."""

    def read(name):
        found = {}
        with gzip.open(kaldi_golden_ivector / f"post_{name}.txt.gz", "rt") as file:
            for line in file:
                utterance, text = line.split(None, 1)
                frames = text.replace("[", "").split("]")[:-1]
                found[utterance] = np.zeros((len(frames), 32))
                for row, frame in zip(found[utterance], frames, strict=True):
                    words = frame.split()
                    row[np.array(words[::2], int)] = np.array(words[1::2], float)
        return found

    return read


@pytest.fixture(scope="session", autouse=True)
def _blas_in_one_thread():
    """Matrices of a recording are too small for several, which slow each other down."""
    with threadpool_limits(1, user_api="blas"):
        yield
