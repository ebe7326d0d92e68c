"""The built-in corpus: any number of synthetic speakers, made here without a download.

Every speaker is an espeak-ng voice of its own (vocal tract length, formants, pitch, timbre,
breath, roughness), drawn from the seed. Every utterance has another text, rate, pitch, level,
microphone and noise, so that what an utterance sounds like on the whole says little about who
speaks. It proves the machinery; its numbers compare with nothing else.

An utterance's samples follow from (seed, set, speaker's number, utterance's number) alone: they
are the same whatever the counts, the order and the number of processes.
"""

import argparse
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import soundfile
import soxr

from ...command_line import whole_number
from ...files import atomic_write, remove_temporary
from ...lock import locked
from ...parallel import parallel
from ...progress import progress
from ..corpus import Corpus, DataSet
from ..trials import all_pairs
from . import espeak

log = logging.getLogger(__name__)

SAMPLE_RATE = 16000
# Part of the audio's folder name: to be raised when the same seed would give other samples.
RECIPE = 5
SETS = {"train": 0, "test": 1}
# Range in dB. The lower it is, the less plain feature statistics tell about the speaker: here
# their EER is 23 % (seed 0) and 28 % (seed 1).
SNR_DB = (30, 45)

TEXT = """
    about above across afternoon again against almost along already always among animal another
    answer apple around arrive autumn away baby balance basket beautiful because become before
    begin behind believe below better between beyond bird black blue boat book both bottle bread
    break breakfast bridge bright bring brother brown build business butter candle careful carry
    castle catch change cheese children choose church circle city clean clear climb clock close
    cloud coffee cold colour come copper corner cotton country cover cross dance danger daughter
    deep desert different dinner doctor dollar door double dream dress drink drive during each
    early earth east easy eight either empty engine enough evening every example eye family
    famous farmer father feather figure finger finish fire first fish floor flower follow food
    foreign forest forget forty found free fresh friend front fruit garden gentle gift glass gold
    good great green ground group grow happy harbour hard harvest hear heart heavy high history
    honey horse hospital hotel hour house hundred hungry husband imagine important inside iron
    island journey judge jump kitchen knife know ladder lake language large laugh leather leave
    letter light listen little long lunch machine many market measure meet member memory metal
    middle milk minute money month moon morning mother mountain mouth move music name narrow
    never news night noise north nothing number ocean offer office often old open orange other
    outside page paint paper parent park path people perhaps person picture piece place plant
    play please pocket point poor power present pretty price problem promise pull purple purse
    push question quick quiet rain reach read ready reason record red remember rice rich right
    river road roof room round sail salt same school season second seven shadow shape sharp sheep
    shine ship shoe shop short shoulder show silver simple sister sixteen sleep slow small smile
    smooth snow soft soldier song soup south speak spring square stand star station stone story
    strange street strong student sugar summer sunday supper sweet table teacher thank thick
    thing think third thousand through thunder ticket time today together tomorrow tower town
    travel tree trouble true under uncle usual valley very village visit voice wait walk wall
    warm watch water weather week west wheel white whole wide wild winter wood word work world
    write yellow young
"""
WORDS = TEXT.split()


@dataclass(frozen=True)
class Plan:
    """What to synthesise; `speakers` and `utterances` (of each speaker) are by set."""

    seed: int
    speakers: dict[str, int]
    utterances: dict[str, int]


@dataclass(frozen=True)
class Utterance:
    """One utterance to be made."""

    seed: int
    data_set: str
    speaker: int
    number: int

    @property
    def speaker_id(self) -> str:
        return f"{self.data_set}{self.speaker:05d}"

    @property
    def name(self) -> str:
        return f"{self.speaker_id}-{self.number:04d}"

    def random(self) -> np.random.Generator:
        key = (self.seed, SETS[self.data_set], self.speaker, 1 + self.number)
        return np.random.default_rng(key)


class Synthetic:
    """The corpus `synthetic`; see `CorpusFinder`."""

    summary = (
        "seeded espeak-ng voices, made here without a download; trials: all pairs of test "
        "utterances, in the list 'synthetic'"
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """How many speakers and utterances, and the seed."""
        for name, least, default, what in [
            ("seed", 0, 0, "of the voices, the texts and all else"),
            ("train-speakers", 1, 120, "training speakers; L_H with H = 100 needs more than 100"),
            ("test-speakers", 2, 20, "test speakers, other voices"),
            ("train-utterances", 1, 10, "utterances of each training speaker"),
            ("test-utterances", 2, 10, "utterances of each test speaker"),
        ]:
            parser.add_argument(
                f"--{name}",
                type=whole_number(least),
                default=default,
                help=f"{what} (%(default)s)",
            )

    def find(self, options: argparse.Namespace) -> Corpus:
        """Make the voices and utterances that are not there yet."""
        plan = Plan(
            seed=options.seed,
            speakers={"train": options.train_speakers, "test": options.test_speakers},
            utterances={"train": options.train_utterances, "test": options.test_utterances},
        )
        return make_corpus(plan, options.data, nj=options.nj)

    def installed(self, corpus: Corpus, data: Path) -> None:
        """Delete synthetic audio under ``<data>/wav`` that is not of the corpus in use."""
        used = {Path(path).parents[1].name for path in corpus.train.wav_scp.values()}
        for folder in (data / "wav").glob("synthetic*"):
            if folder.name not in used:
                shutil.rmtree(folder)


def make_corpus(plan: Plan, data: str | os.PathLike, nj: int = 1) -> Corpus:
    """Synthesise what is not there yet under ``<data>/wav`` and describe it all.

    Trials are all pairs of test utterances, as one list, ``synthetic``.

    Raises:
        InputError: espeak-ng is not installed, or another process synthesises here.
    """
    # Another seed, recipe or synthesiser gets another folder, so that nothing ever mixes.
    audio = Path(data) / "wav" / f"synthetic{RECIPE}-espeak{espeak.version()}-seed{plan.seed}"
    sets = {name: DataSet() for name in SETS}
    missing: dict[Path, Utterance] = {}
    for name, data_set in sets.items():
        for speaker in range(plan.speakers[name]):
            for number in range(plan.utterances[name]):
                utterance = Utterance(plan.seed, name, speaker, number)
                path = audio / utterance.speaker_id / f"{utterance.name}.wav"
                data_set.add(utterance.name, utterance.speaker_id, path)
                if not path.exists():
                    missing[path] = utterance
    if missing:
        with locked(Path(data) / ".wav.lock", f"synthesising {audio}"):
            remove_temporary(*{path.parent for path in missing})
            _synthesise(missing, nj)
    trials = {"synthetic": all_pairs(sets["test"].utt2spk)}
    return Corpus("synthetic", sets["train"], sets["test"], trials)


def _synthesise(jobs: dict[Path, Utterance], nj: int) -> None:
    voices = {u.speaker_id: voice_file(u.seed, u.data_set, u.speaker) for u in jobs.values()}
    log.info("synthesising %d utterances of %d speakers", len(jobs), len(voices))
    with espeak.voice_folder(voices) as folder:
        results = parallel(nj)(
            joblib.delayed(_write)(folder, utterance, path) for path, utterance in jobs.items()
        )
        for _ in progress(results, total=len(jobs), desc="synthesis"):
            pass


def _write(folder: str, utterance: Utterance, path: Path) -> None:
    samples = synthesise(folder, utterance)
    with atomic_write(path, "wb") as file:
        soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")


def voice_file(seed: int, data_set: str, speaker: int) -> str:
    """The espeak-ng voice variant of one speaker.

    Percentages are of the default voice's; see espeak-ng's docs/voices.md for the terms.
    """
    random = np.random.default_rng((seed, SETS[data_set], speaker, 0))
    tract = random.uniform(88, 113)
    lines = ["language variant", f"name {data_set}{speaker:05d}"]
    base = round(random.uniform(85, 190))
    lines.append(f"pitch {base} {base + round(random.uniform(0.2, 0.6) * base)}")
    for formant in range(1, 9):
        frequency = tract + random.normal(0, 4)
        strength, width = random.uniform(75, 130), random.uniform(80, 135)
        lines.append(f"formant {formant} {frequency:.0f} {strength:.0f} {width:.0f}")
    tone = random.uniform((140, 110, 80), (210, 180, 160))
    lines.append("tone 600 {:.0f} 1200 {:.0f} 2000 {:.0f}".format(*tone))
    lines.append("breath " + " ".join(f"{b:.0f}" for b in random.uniform(0, 8, size=8)))
    lines.append(f"flutter {random.integers(0, 12)}")
    lines.append(f"roughness {random.integers(0, 4)}")
    lines.append(f"voicing {random.integers(75, 116)}")
    lines.append("consonants {} {}".format(*random.integers(75, 126, size=2)))
    lines.append("stressAdd " + " ".join(str(n) for n in random.integers(-20, 20, size=8)))
    return "\n".join(lines) + "\n"


def synthesise(folder: str, utterance: Utterance) -> np.ndarray:
    """Speak one utterance and put it through its microphone and noise.

    Args:
        folder: from `espeak.voice_folder`, with the speaker's `voice_file`.
        utterance: which.

    Returns:
        float64 array (samples,) in [-1, 1] at 16 kHz.
    """
    random = utterance.random()
    rate = random.uniform(140, 200)
    seconds = random.uniform(3.0, 4.5)
    words = random.choice(WORDS, size=round(rate * seconds / 60) + 1)
    spoken = espeak.speak(
        folder,
        f"en-us+{utterance.speaker_id}",
        " ".join(words) + ".",
        rate=round(rate),
        pitch=int(random.integers(30, 71)),
        pitch_range=int(random.integers(30, 71)),
        seed=int(random.integers(1 << 31)),
    )
    clean = soxr.resample(spoken.astype(np.float64), espeak.SAMPLE_RATE, SAMPLE_RATE)
    recorded = _microphone(clean, random)
    noisy = _add_noise(recorded, random)
    level = 10 ** (random.uniform(-34, -18) / 20)
    return np.clip(noisy * level / np.sqrt(np.mean(noisy**2)), -1, 1)


def _microphone(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random smooth frequency response: a few dB up and down over the mel scale."""
    gains_db = random.normal(0, 4, size=7)

    def response(frequency: np.ndarray) -> np.ndarray:
        mel = np.log1p(frequency / 700) / np.log1p(SAMPLE_RATE / 2 / 700)
        return 10 ** (np.interp(mel, np.linspace(0, 1, 7), gains_db) / 20)

    return _filter(samples, response)


def _add_noise(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Noise with a spectrum from flat to steeply falling, `SNR_DB` below the speech."""
    slope = random.uniform(0, 1)
    noise = _filter(
        random.standard_normal(len(samples)),
        lambda frequency: np.maximum(frequency, 50.0) ** -slope,
    )
    snr_db = random.uniform(*SNR_DB)
    scale = np.sqrt(np.mean(samples**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return samples + scale * noise


def _filter(samples: np.ndarray, response: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Multiply the spectrum by a zero-phase response, a function of the frequency in Hz."""
    size = 1 << len(samples).bit_length()  # a power of two: several times faster
    gain = response(np.fft.rfftfreq(size, 1 / SAMPLE_RATE))
    return np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)]
