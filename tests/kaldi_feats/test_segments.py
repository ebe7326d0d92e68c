"""Utterances that are parts of recordings, by the embedded extractor."""

import shlex

import numpy as np
import pytest

from speaker_bases.kaldi_feats.checks import validate_data_dir
from speaker_bases.kaldi_feats.data_dir import write_data_dir


def test_segments_are_cut_from_their_recordings(segmented, embedded):
    assert embedded(segmented)[0] == 0
    validate_data_dir(segmented, features=True)
    features = segmented.features()
    frames = {"s0-a": 18, "s0-b": 28, "s1-a": 13, "s1-b": 13}
    assert {name: len(matrix) for name, matrix in features.items()} == frames
    whole = segmented.at(segmented.folder / "whole")
    write_data_dir(whole.path, {"s0-u00": segmented.source("s0-u00")}, {"s0-u00": "s0"})
    assert embedded(whole, "--cmn-window", "1000")[0] == 0
    assert embedded(segmented, "--cmn-window", "1000")[0] == 0
    there, own = whole.features()["s0-u00"][10:28], segmented.features()["s0-a"]
    np.testing.assert_allclose(own - own.mean(0), there - there.mean(0), atol=1e-4)


def test_a_changed_segment_makes_its_ark_again(segmented, embedded):
    assert embedded(segmented)[0] == 0
    path = segmented.path / "segments"
    path.write_text(path.read_text().replace("s0-b s0-u04 0 -1", "s0-b s0-u04 0 0.2"))
    assert embedded(segmented)[0] == 0
    assert len(segmented.features()["s0-b"]) == 18


def test_a_segment_behind_its_recording_is_left_out_with_a_warning(segmented, embedded):
    path = segmented.path / "segments"
    path.write_text(path.read_text().replace("s0-a s0-u00 0.1 0.3", "s0-a s0-u00 0.4 0.6"))
    code, said = embedded(segmented)
    assert code == 0 and "wav.scp:1: s0-a: skipped: 0.4 to 0.6 s, and it has 0.3 s" in said
    assert "s0-a" not in segmented.features()


def test_a_recording_of_several_segments_is_read_once(segmented, embedded):
    source, count = segmented.source("s1-u01"), segmented.folder / "count"
    segmented.point_to(4, f"echo x >> {shlex.quote(str(count))}; cat {shlex.quote(source)} |")
    assert segmented.source("s1-u01").startswith("echo")
    assert embedded(segmented)[0] == 0 and count.read_text() == "x\n"
    segmented.point_to(4, f"echo x >> {shlex.quote(str(count))}; exit 1 |")
    code, said = embedded(segmented)
    assert code == 1 and "wav.scp:4: echo x" in said and count.read_text() == "x\nx\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("s0-a s0-u00 0.3 0.1", "segments:1: from 0.3 to 0.1 s is no part of a recording"),
        ("s0-a nowhere 0 1", "segments:1: the recording 'nowhere' is not in wav.scp"),
        ("s0-0 s0-u00 0 1", "segments:1: the utterance 's0-0' is not in utt2spk"),
    ],
)
def test_segments_that_are_refused(segmented, embedded, line, message):
    path = segmented.path / "segments"
    path.write_text(path.read_text().replace("s0-a s0-u00 0.1 0.3", line))
    code, said = embedded(segmented)
    assert code == 1 and message in said and said.count("\n") == 1
