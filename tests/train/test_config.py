"""Configuration files: merged in order, and every mistake named with its file and line."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from speaker_bases.command_line import InputError
from speaker_bases.evaluate.reporting.comparable import (
    FEATURES,
    KALDIS,
    what_makes_it_another,
)
from speaker_bases.evaluate.reporting.paper import TABLES, paper_eer
from speaker_bases.run_dir import RunDir
from speaker_bases.train.config import load_config

SYSTEM = """\
network: table1
# Eq. 10 and 9
losses:
  hard_negative: {num_negatives: 100, scale: 5.0, reduction: mean}
  between_speaker: {weight: 1.0}
weight_decay: 1e-4
optimizer: {name: adam, learning_rate: 1.0e-3}
batch: {size: 100}
"""
CORPUS = "crop_frames: 304\nepochs: 100\n"


@pytest.fixture
def files(tmp_path):
    def write(system=SYSTEM, corpus=CORPUS):
        (tmp_path / "mine.yaml").write_text(system)
        (tmp_path / "ours.yaml").write_text(corpus)
        return tmp_path / "mine.yaml", tmp_path / "ours.yaml"

    return write


def test_system_corpus_and_overrides_are_merged_in_this_order(files):
    system, corpus = files(SYSTEM + "epochs: 5\nbn_momentum: 0.9\n")
    config = load_config(
        system, corpus, ["losses.hard_negative.scale=2", "batch.size=7", "epochs=3"]
    )
    assert config["epochs"] == 3
    assert config["bn_momentum"] == 0.9
    assert config["crops_per_utterance"] == 1
    assert config["losses"]["hard_negative"] == {
        "num_negatives": 100,
        "scale": 2.0,
        "reduction": "mean",
    }
    assert config["batch"] == {"size": 7}
    assert (config["system"], config["corpus"]) == ("mine", "ours")
    assert load_config(system, corpus)["epochs"] == 100


def test_a_schedule_of_another_name_replaces_the_one_before(files):
    system, corpus = files(
        SYSTEM + "schedule: {name: inverse_time, decay_rate: 1.0e-4, warmup_steps: 5}\n",
        CORPUS + "schedule: {name: cosine}\n",
    )
    assert load_config(system, corpus)["schedule"] == {"name": "cosine"}
    more = ["schedule.warmup_steps=3"]
    assert load_config(system, corpus, more)["schedule"] == {"name": "cosine", "warmup_steps": 3}
    assert load_config(system, corpus, ["schedule.name=cosine"])["schedule"] == {"name": "cosine"}


def test_null_takes_a_loss_away(files):
    config = load_config(*files(), ["losses.between_speaker=null"])
    assert set(config["losses"]) == {"hard_negative"}


@pytest.mark.parametrize("loss", ["between_speaker:", "between_speaker: null", "center:"])
def test_null_in_a_system_file_takes_a_loss_away_too(files, loss):
    config = load_config(*files(SYSTEM.replace("between_speaker: {weight: 1.0}", loss)))
    assert set(config["losses"]) == {"hard_negative"}


def test_what_the_command_line_changed_is_kept_as_a_label(files):
    assert "overrides" not in load_config(*files())
    overrides = ["epochs=3", "losses.hard_negative.scale=2"]
    assert load_config(*files(), overrides)["overrides"] == overrides


@pytest.mark.parametrize(
    "batch",
    ["{size: 100}", "{speakers: 1, crops_per_speaker: 5}", "{speakers: 5, crops_per_speaker: 1}"],
)
def test_ge2e_needs_batches_that_it_can_compare(files, batch):
    losses = SYSTEM[SYSTEM.index("losses") : SYSTEM.index("weight_decay")]
    text = SYSTEM.replace(losses, "losses: {ge2e: {}}\n").replace("{size: 100}", batch)
    with pytest.raises(InputError, match=r"losses.ge2e compares the utterances of a batch"):
        load_config(*files(text))


def test_a_number_without_a_point_is_still_a_number(files):
    assert load_config(*files())["weight_decay"] == 1e-4  # YAML 1.1 says it is a word


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight_decay:", "wieght_decay:", r"mine.yaml:6: unknown key `wieght_decay`; known"),
        ("scale:", "scael:", r"mine.yaml:4: unknown key `losses.hard_negative.scael`; known here"),
        ("between_speaker:", "betwen:", r"mine.yaml:5: unknown key `losses.betwen`"),
        ("100, scale", "1.5, scale", r"mine.yaml:4: .*num_negatives` takes a value of type int"),
        ("size: 100", "size: yes", r"mine.yaml:8: `batch.size` takes a value of type int: True"),
        ("reduction: mean", "reduction: avg", r"mine.yaml:4: .*reduction` is one of sum, mean"),
        ("{size: 100}", "100", r"mine.yaml:8: `batch` takes keys of its own: size"),
        ("table1", "[table1]", r"mine.yaml:1: `network` takes a single value"),
        ("{size: 100}", "{size: 100", r"mine.yaml:9: not YAML"),
        ("network: table1", "network: table1\nnetwork: table3", r"mine.yaml:2: .*set twice"),
        ("network: table1\n", "", r"mine.yaml: neither this file nor .*ours.yaml sets `network`"),
        ("num_negatives: 100, ", "", r"mine.yaml: losses.hard_negative needs num_negatives"),
        ("network: table1", "similarity: dot", r"mine.yaml:1: unknown key `similarity`"),
        ("  hard_negative:", "  am_softmax: {}\n  hard_negative:", r"exactly one of softmax, "),
        ("  hard_negative:", "  softmax: {}\n  ge2e: {}\n  hard_negative:", r"exactly one of soft"),
        ("{size: 100}", "{size: 9, speakers: 3}", r"`batch` takes either `size`, or `speakers`"),
        ("size: 100", "size: 0", r"mine.yaml:8: `batch.size` must be at least 1: 0"),
        ("1e-4", "-1e-4", r"mine.yaml:6: `weight_decay` must be at least 0: -0.0001"),
        ("1.0e-3", "0", r"mine.yaml:7: `optimizer.learning_rate` must be above 0: 0"),
        ("scale: 5.0", "scale: .nan", r"mine.yaml:4: .*scale` must be above 0: nan"),
        ("weight: 1.0", "weight: .inf", r"mine.yaml:5: .*weight` must be at least 0: inf"),
        ("num_negatives: 100, ", "", r"mine.yaml: losses.hard_negative needs num_negatives"),
        ("1.0e-3", "1.0e-3, momentum: 0.9", r"mine.yaml: optimizer.adam does not take momentum"),
        ("name: adam, ", "", r"mine.yaml: `optimizer` needs a name: adam or sgd"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(files, old, new, message):
    assert SYSTEM.count(old) >= 1
    with pytest.raises(InputError, match=message):
        load_config(*files(SYSTEM.replace(old, new)))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "expected key=value"),
        ("epoch=3", "unknown key `epoch`"),
        ("epochs=0", "`epochs` must be at least 1"),
        ("bn_momentum=1.5", "`bn_momentum` must be between 0 and 1: 1.5"),
        ("losses.center.alpha=2", "`losses.center.alpha` must be between 0 and 1"),
        ("losses.ge2e.reduction=sum", "mine.yaml --set losses.ge2e.reduction=sum: `losses`"),
        ("losses.hard_negative.scale=[", "not YAML"),
        ("batch.size.x=3", "takes a single value"),
        ("architecture.blocks=post", "is one of post_activation, pre_activation, not 'post'"),
        ("architecture.conv1_padding=4", "`architecture.conv1_padding` must be between 0 and 3: 4"),
        ("architecture.embedding_length=0", "`architecture.embedding_length` must be above 0: 0"),
        *[
            (f"architecture.stage_blocks={value}", "stage_blocks` takes a list of 4 whole numbers")
            for value in ("[3, 4, 6]", "[3, 4, 6, 0]", "[3, 4, 6, true]", "7", "{a: 1}")
        ],
        ("initializer=orthogonal", "`initializer` is one of he_normal, he_normal_fan_out"),
        ("decay_biases=1", "`decay_biases` takes a value of type bool: 1"),
        ("crop_begins=end", "`crop_begins` is one of anywhere, first_half, not 'end'"),
        ("short_utterances=cut", "`short_utterances` is one of repeated, doubled, not 'cut'"),
        ("losses.hard_negative.form=sum", "form` is one of pairs, joint, not 'sum'"),
        ("losses.between_speaker.form=sum", "form` is one of sum_of_cosines, log_mean_exp"),
    ],
)
def test_a_wrong_override_is_named(files, override, message):
    with pytest.raises(InputError, match=message):
        load_config(*files(), [override])


def test_a_missing_file_is_named(files, tmp_path):
    with pytest.raises(InputError, match=r"nowhere.yaml: there is no such configuration file"):
        load_config(tmp_path / "nowhere.yaml", files()[1])


def test_what_is_saved_is_read_back(files, tmp_path):
    config = load_config(*files())
    run = RunDir(tmp_path / "run")
    run.write_config(config | {"seed": 0, "features": {}})
    assert run.read_config() == config | {"seed": 0, "features": {}}


# What Table 2 of the paper says of each system, besides the network.
PAPERS_FEATURES = {"features": FEATURES | KALDIS}
PAPERS_DATA = {
    1: PAPERS_FEATURES | {"num_speakers": 1211, "num_utterances": 148642},
    2: PAPERS_FEATURES | {"num_speakers": 6112, "num_utterances": 1128246},
}
TABLE_2 = {
    "softmax": {"eer": 7.78, "losses": {"softmax"}},
    "center": {"eer": 6.55, "losses": {"softmax", "center"}},
    "am_softmax": {"eer": 7.31, "losses": {"am_softmax"}},
    "ge2e": {"eer": 10.65, "losses": {"ge2e"}},
    "proposed1": {"eer": 5.96, "losses": {"softmax", "center", "between_speaker"}},
    "proposed2": {"eer": 5.55, "losses": {"hard_negative", "between_speaker"}},
}


@pytest.mark.parametrize("system", TABLE_2)
def test_the_systems_are_the_rows_of_table_2(project_root, system):
    conf = project_root / "conf"
    config = load_config(conf / "systems" / f"{system}.yaml", conf / "corpora" / "voxceleb1.yaml")
    losses = config["losses"]
    assert (
        paper_eer(config | PAPERS_DATA[1], "voxceleb1", "vox1-o", "cosine")
        == (TABLE_2[system]["eer"])
    )
    assert set(losses) == TABLE_2[system]["losses"]
    assert config["loss"] == next(row.loss for row in TABLES[2] if row.system == system)
    cosine = bool({"am_softmax", "ge2e", "hard_negative"} & set(losses))
    assert config["weight_decay"] == (1e-4 if cosine else 0.0)
    assert config["optimizer"] == {"name": "adam", "learning_rate": 1e-3}
    assert config["batch"] in ({"size": 100}, {"speakers": 20, "crops_per_speaker": 5})
    assert ("speakers" in config["batch"]) == ("ge2e" in losses)
    if "center" in losses:
        assert (losses["center"]["weight"], losses["center"]["alpha"]) == (0.001, 0.5)
    if "am_softmax" in losses:
        assert (losses["am_softmax"]["scale"], losses["am_softmax"]["margin"]) == (5.0, 0.35)
    if "hard_negative" in losses:
        assert losses["hard_negative"]["num_negatives"] == 100


@pytest.mark.parametrize("losses", ["softmax", "proposed1", "proposed2"])
def test_the_x_vectors_differ_from_the_systems_of_table_2_in_the_network(project_root, losses):
    conf = project_root / "conf"
    there, here = (
        load_config(conf / "systems" / f"{name}.yaml", conf / "corpora" / "voxceleb1.yaml")
        for name in (losses, f"xvector_{losses}")
    )
    assert {key for key in here if here[key] != there[key]} == {"network", "system"}
    assert here["network"] == "xvector"
    data = PAPERS_DATA[1]
    assert what_makes_it_another(here | data, "voxceleb1") == []
    assert np.isnan(paper_eer(here | data, "voxceleb1", "vox1-o", "cosine"))
    assert what_makes_it_another(here | data | {"network": "table1"}, "voxceleb1")


# What Table 4 says of each: H, or None without L_H, and the error rates on three lists.
TABLE_4 = {
    "vox2_center": (None, (2.99, 3.01, 5.19)),
    "vox2_proposed_h100": (100, (2.75, 2.71, 4.53)),
    "vox2_proposed_h50": (50, (2.66, 2.43, 4.08)),
}


@pytest.mark.parametrize("system", TABLE_4)
def test_the_systems_of_voxceleb2_are_the_rows_of_table_4(project_root, system):
    conf = project_root / "conf"
    config = load_config(conf / "systems" / f"{system}.yaml", conf / "corpora" / "voxceleb2.yaml")
    num_negatives, rates = TABLE_4[system]
    assert (config["network"], config["backend"]) == ("table3", "bvector")
    for name, rate in zip(("vox1-o", "vox1-e", "vox1-h"), rates, strict=True):
        assert paper_eer(config | PAPERS_DATA[2], "voxceleb2", name, "bvector") == rate
    assert config["loss"] == next(row.loss for row in TABLES[4] if row.system == system)
    if num_negatives is None:
        assert set(config["losses"]) == {"softmax", "center"}
        assert (config["similarity"], config["weight_decay"]) == ("dot", 0.0)
    else:
        assert set(config["losses"]) == {"hard_negative", "between_speaker"}
        assert config["losses"]["hard_negative"]["num_negatives"] == num_negatives
        assert (config["similarity"], config["weight_decay"]) == ("cosine", 1e-4)
    assert config["optimizer"] == {"name": "adam", "learning_rate": 1e-3}
    assert config["batch"] == {"size": 100}


# What the first author's later code adds up, and how many numbers an embedding has.
LATER = {
    "hbc": ("L_H + L_S + L_BC", "cosine"),
    "h": ("L_H + L_S", "cosine"),
    "softmax": ("L_S", "dot"),
}


@pytest.mark.parametrize("corpus", ["voxceleb1", "voxceleb2"])
@pytest.mark.parametrize("sizes", ["", "_narrow"])
@pytest.mark.parametrize("losses", LATER)
def test_the_later_code_is_not_the_paper(project_root, losses, sizes, corpus):
    conf, name = project_root / "conf", f"author2019_{losses}{sizes}"
    text = (conf / "systems" / f"{name}.yaml").read_text()
    assert text.startswith("# The author's later code, not the paper: ")
    config = load_config(conf / "systems" / f"{name}.yaml", conf / "corpora" / f"{corpus}.yaml")
    assert (config["loss"], config["similarity"]) == LATER[losses]
    data = PAPERS_DATA[1 if corpus == "voxceleb1" else 2]
    for backend in ("cosine", "bvector"):
        for trial_list in ("vox1-o", "vox1-e", "vox1-h"):
            assert np.isnan(paper_eer(config | data, corpus, trial_list, backend))
    assert what_makes_it_another(config | data, corpus) == ["no system of the paper"]
    expected = (304, 100, 0.99) if sizes else (300, 50, 0.9)
    assert (config["crop_frames"], config["epochs"], config["bn_momentum"]) == expected


def test_what_a_system_sets_instead_of_the_corpus_gives_way_to_the_command_line(files):
    system, corpus = files(SYSTEM + "instead_of_corpus: {epochs: 5, crop_frames: 30}\n")
    config = load_config(system, corpus, ["epochs=3"])
    assert (config["epochs"], config["crop_frames"]) == (3, 30)
    assert "instead_of_corpus" not in config
    with pytest.raises(InputError, match="unknown key `instead_of_corpus`"):
        load_config(system, corpus, ["instead_of_corpus.epochs=3"])


def test_softmax_stands_beside_a_loss_on_cosines(files):
    config = load_config(*files(SYSTEM.replace("  between", "  softmax: {}\n  between")))
    assert (config["loss"], config["similarity"]) == ("L_H + L_S + L_BC", "cosine")


def test_every_corpus_file_goes_with_every_system(project_root):
    conf = Path(project_root) / "conf"
    for corpus in (conf / "corpora").glob("*.yaml"):
        assert "description" in yaml.safe_load(corpus.read_text())
        for system in (conf / "systems").glob("*.yaml"):
            load_config(system, corpus)
