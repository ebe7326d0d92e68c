"""Which crops an epoch holds, and that they depend on nothing but the seed."""

from collections import Counter

import numpy as np
import pytest

from speaker_bases.command_line import InputError
from speaker_bases.kaldi_feats.reader import FeatureReader
from speaker_bases.train.crops import CropStream
from speaker_bases.train.data import TrainingData
from speaker_bases.train.samplers import ShuffledUtterances, SpeakersTimesCrops


def stream_of(data, batches, first_step=0, crop_frames=16, seed=0, **options):
    return CropStream(
        data.reader,
        data.utterances,
        data.labels,
        data.num_frames,
        batches,
        crop_frames,
        seed=seed,
        first_step=first_step,
        **options,
    )


def test_an_epoch_takes_every_utterance_as_often_as_asked():
    batches = ShuffledUtterances(range(10), batch_size=6, crops_per_utterance=3, seed=0)
    assert batches.steps_per_epoch == 5
    epoch = batches.epoch(0)
    assert epoch.shape == (5, 6)
    assert set(Counter(epoch.ravel()).values()) == {3}
    assert not np.array_equal(epoch, batches.epoch(1))
    assert np.array_equal(epoch, ShuffledUtterances(range(10), 6, 3, seed=0).epoch(0))
    assert not np.array_equal(epoch, ShuffledUtterances(range(10), 6, 3, seed=1).epoch(0))


def test_what_does_not_fill_a_batch_differs_from_epoch_to_epoch():
    batches = ShuffledUtterances(range(10), batch_size=7, crops_per_utterance=1, seed=0)
    dropped = {tuple(sorted(set(range(10)) - set(batches.epoch(k).ravel()))) for k in range(5)}
    assert len(dropped) > 1


def test_too_few_crops_for_a_batch_are_refused():
    with pytest.raises(InputError, match="3 utterances x 2 crops_per_utterance do not fill one"):
        ShuffledUtterances(range(3), batch_size=7, crops_per_utterance=2, seed=0)


def test_a_ge2e_batch_has_different_speakers_and_their_different_utterances():
    labels = np.repeat(np.arange(7), [5, 6, 7, 8, 5, 5, 5])
    batches = SpeakersTimesCrops(labels, 3, 5, crops_per_utterance=2, seed=0)
    assert batches.steps_per_epoch == 41 * 2 // 15
    for batch in np.concatenate([batches.epoch(0), batches.epoch(1)]):
        assert Counter(Counter(labels[batch]).values()) == {5: 3}
        assert len(set(batch)) == 15


def test_ge2e_speakers_take_turns_whatever_they_own():
    labels = np.repeat(np.arange(4), [100, 5, 5, 5])
    batches = SpeakersTimesCrops(labels, 2, 5, crops_per_utterance=4, seed=0)
    seen = Counter(labels[batches.epoch(0).ravel()])
    assert max(seen.values()) - min(seen.values()) <= 2 * 5


def test_a_speaker_of_few_utterances_gives_several_crops_of_one_and_the_log_says_so(caplog):
    caplog.set_level("INFO")
    batches = SpeakersTimesCrops([0, 1, 1, 1, 2], 3, 4, crops_per_utterance=3, seed=0)
    assert "3 of 3 speakers have fewer than 4 utterances" in caplog.text
    for batch in batches.epoch(0):
        assert Counter(batch)[0] == Counter(batch)[4] == 4
        assert {Counter(batch)[k] for k in (1, 2, 3)} <= {1, 2}


def test_too_few_speakers_for_a_ge2e_batch_are_refused():
    with pytest.raises(InputError, match="takes 20 different speakers, the training data has 2"):
        SpeakersTimesCrops([0, 0, 1], 20, 5, 1, seed=0)
    with pytest.raises(InputError, match="do not fill one batch of 2 speakers x 5 crops"):
        SpeakersTimesCrops([0, 0, 1], 2, 5, 1, seed=0)


def test_crops_are_pieces_of_their_utterances_with_their_speakers(make_data):
    data = TrainingData(make_data())
    stream = stream_of(data, ShuffledUtterances(data.labels, 5, 1, seed=0))
    inputs, targets = stream[0]
    assert inputs["features"].shape == (5, 16, 64)
    assert inputs["features"].dtype == np.float32
    assert inputs["speakers"].dtype == np.int32
    np.testing.assert_array_equal(inputs["speakers"], targets)
    reader = FeatureReader(data.reader.scp)
    for crop, speaker in zip(inputs["features"], targets, strict=True):
        own = [reader[u] for u in reader if u.startswith(f"spk{speaker:02d}")]
        assert any(
            np.array_equal(crop, features[start : start + 16])
            for features in own
            for start in range(len(features) - 15)
        )


def test_every_beginning_is_possible_and_none_is_out_of_bounds(make_data):
    data = TrainingData(make_data(num_speakers=1, utterances=1, frames=(18, 19)))
    features = data.reader["spk00-00"]
    stream = stream_of(data, ShuffledUtterances(data.labels, 1, 1, seed=0))
    begins = Counter()
    for step in range(60):
        crop = stream[step][0]["features"][0]
        (begin,) = [k for k in range(3) if np.array_equal(crop, features[k : k + 16])]
        begins[begin] += 1
    assert set(begins) == {0, 1, 2}


@pytest.mark.parametrize("frames", [16, 17, 18, 21])
def test_crops_may_begin_in_the_first_half_of_the_room(make_data, frames):
    data = TrainingData(make_data(num_speakers=1, utterances=1, frames=(frames, frames + 1)))
    batches = ShuffledUtterances(data.labels, 1, 1, seed=0)
    stream = stream_of(data, batches, begins="first_half")
    features = data.reader["spk00-00"]
    begins = set()
    for step in range(60):
        crop = stream[step][0]["features"][0]
        begins |= {k for k in range(frames - 15) if np.array_equal(crop, features[k : k + 16])}
    assert begins == set(range((frames - 16) // 2 + 1))


@pytest.mark.parametrize(("frames", "times"), [(3, 8), (5, 4), (9, 2)])
def test_a_short_utterance_may_be_doubled_as_often_as_it_takes(make_data, frames, times):
    data = TrainingData(make_data(num_speakers=1, utterances=1, frames=(frames, frames + 1)))
    batches = ShuffledUtterances(data.labels, 1, 1, seed=0)
    stream = stream_of(data, batches, short="doubled")
    doubled = np.concatenate([data.reader["spk00-00"]] * times)
    rooms = range(len(doubled) - 15)
    crops = [stream[step][0]["features"][0] for step in range(60)]
    seen = {k for crop in crops for k in rooms if np.array_equal(crop, doubled[k : k + 16])}
    assert max(seen) >= len(rooms) - 1 - frames  # the room is that of all the copies


def test_a_short_utterance_is_repeated(make_data):
    data = TrainingData(make_data(num_speakers=1, utterances=1, frames=(5, 6)))
    features = data.reader["spk00-00"]
    crop = stream_of(data, ShuffledUtterances(data.labels, 1, 1, seed=0))[0][0]["features"][0]
    repeated = np.concatenate([features] * 5)
    assert any(np.array_equal(crop, repeated[k : k + 16]) for k in range(5))


def test_the_stream_is_the_same_wherever_it_is_joined(make_data):
    data = TrainingData(make_data())
    batches = ShuffledUtterances(data.labels, 5, 1, seed=3)
    whole = stream_of(data, batches, seed=3)
    later = stream_of(data, batches, first_step=3, seed=3)
    for index in range(4):
        np.testing.assert_array_equal(whole[index + 3][0]["features"], later[index][0]["features"])
    other = stream_of(data, batches, seed=4)
    assert not np.array_equal(whole[0][0]["features"], other[0][0]["features"])


def test_an_utterance_without_speaker_is_named_with_its_line(make_data):
    folder = make_data()
    lines = (folder / "utt2spk").read_text().splitlines(keepends=True)
    (folder / "utt2spk").write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(InputError, match=r"feats.scp:4: utterance spk01-00 is not in .*utt2spk"):
        TrainingData(folder)


def test_one_speaker_is_refused_and_so_are_more_negatives_than_there_are(make_data):
    config = {"batch": {"size": 3}, "crops_per_utterance": 1, "losses": {"softmax": {}}}
    with pytest.raises(InputError, match="utt2spk: one training speaker; telling speakers apart"):
        TrainingData(make_data(num_speakers=1)).check(config)
    data = TrainingData(make_data(num_speakers=2))
    data.check(config)
    with pytest.raises(InputError, match="is 2; with 2 training speakers it must be between 1 and"):
        data.check(config | {"losses": {"hard_negative": {"num_negatives": 2}}})
