"""System xvector_proposed2 from features to scores and an exported model, at its real size."""

import csv

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.embed import embed
from speaker_bases.evaluate.score import score
from speaker_bases.evaluate.speaker_space import load_bases
from speaker_bases.kaldi_feats.data_dir import read_table, write_table
from speaker_bases.kaldi_feats.reader import read_vectors
from speaker_bases.kaldi_feats.trials import all_pairs, write_trials
from speaker_bases.models.saving import load_model
from speaker_bases.run_dir import RunDir
from speaker_bases.train.config import load_config
from speaker_bases.train.trainer import train

TINY = ["batch.size=6", "losses.hard_negative.num_negatives=2"]


def test_it_trains_embeds_scores_and_is_exported(project_root, make_data, tmp_path):
    run = RunDir(tmp_path / "exp" / "xvector_proposed2" / "seed0")
    corpus = tmp_path / "tiny.yaml"
    corpus.write_text("crop_frames: 16\nepochs: 3\nbn_momentum: 0.5\n")
    conf = project_root / "conf" / "systems" / "xvector_proposed2.yaml"
    assert train(load_config(conf, corpus, TINY), make_data(), run.path) is True
    with open(run.log, newline="") as file:
        losses = [float(row["hard_negative_mining"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    # The losses stand on the last hidden layer; what is kept is the network below its head.
    with_weights = [layer.name for layer in load_model(run.model).layers if layer.count_params()]
    assert with_weights == ["backbone", "head", "bases"]
    assert load_model(run.embedder).count_params() == 4_321_100
    with pytest.raises(InputError, match="bases do not lie among its embeddings"):
        load_bases(run)

    test = make_data(name="test", seed=1)
    utt2spk = {name: f"other-{speaker}" for name, speaker in read_table(test / "utt2spk").items()}
    write_table(test / "utt2spk", utt2spk)
    write_trials(test / "trials" / "pairs", all_pairs(utt2spk))
    embed(run, test)
    assert read_vectors(run.embeddings("test"))[1].shape == (12, 512)
    score(run, test)
    cosines = np.loadtxt(run.scores("pairs"), usecols=2)
    assert cosines.shape == (66,) and np.ptp(cosines) > 0 and np.abs(cosines).max() <= 1 + 1e-6

    pytest.importorskip("tf2onnx", reason="the extra `export` is not installed")
    from speaker_bases.verify.export import export

    for name, file_format in (("m.onnx", "onnx"), ("m.tflite", "litert")):
        differences = export(run, tmp_path / name, file_format)
        assert len(differences) == 5 and max(differences.values()) < 1e-5
