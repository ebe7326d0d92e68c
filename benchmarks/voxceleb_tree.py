"""Stage 0 at VoxCeleb's true size: a file tree of its shape, and the time and memory it takes.

    python benchmarks/voxceleb_tree.py --scratch DIR --audio DIR_OF_WAVS --lists DIR

VoxCeleb1 gets 153,516 files of 1,251 speakers, VoxCeleb2 1,128,246 of 6,112: hard links to a few
dozen short files, which stage 0 does not open (m4a is only a name here). VoxCeleb1's test part is
the utterances of the real original list and 159 more. In place of the lists about all of VoxCeleb1
stand random pairs of the true number, as lists of one's own. The tree takes 700 MB and minutes to
make, is used again if it is there, and is the user's to remove.
Aim: VoxCeleb2 in under 90 s and 1.5 GB on two cores. Reference: `find` over the same trees, which
looks at every file's size as stage 0 does, and to which each time is printed as a ratio.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from speaker_bases.kaldi_feats.corpora.voxceleb_lists import OFFICIAL

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LINKS = 40  # files; ext4 allows 65,000 links to each
# Videos and utterances; most of the test part's videos come with the list.
VOXCELEB1_DEV, VOXCELEB1_TEST = (21_819, 148_642), (20, 4_874)
VOXCELEB2_DEV, VOXCELEB2_TEST = (145_569, 1_092_009), (4_911, 36_237)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scratch", type=Path, required=True, help="where the trees go")
    parser.add_argument("--audio", type=Path, help="short wavs to link to; without it, noise")
    parser.add_argument(
        "--lists", type=Path, required=True, help="folder of veri_test.txt and veri_test2.txt"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the true size (1)")
    args = parser.parse_args(argv)
    # In a process of its own, or the memory that it takes would be counted as stage 0's.
    with ProcessPoolExecutor(1) as process:
        process.submit(make_trees, args).result()
        lists = process.submit(random_lists, args.scratch).result()
    vox1, vox2, official = map(str, (args.scratch / "vox1", args.scratch / "vox2", args.lists))
    others = [word for path in lists for word in ("--trials", str(path))]
    print(f"{'':34s} {'wall s':>8s} {'/ find':>8s} {'CPU s':>8s} {'/ find':>8s} {'peak GB':>8s}")
    prepare = [sys.executable, "-m", "speaker_bases.kaldi_feats.prepare"]
    find = ["-type", "f", "-size", "+0", "-printf", ""]
    for corpus, trees, options in (
        ("voxceleb1", [vox1], ["--corpus-dir", vox1]),
        ("voxceleb2", [vox1, vox2], ["--corpus-dir", vox2, "--test-corpus-dir", vox1, *others]),
    ):
        data = args.scratch / f"data-{corpus}"
        shutil.rmtree(data, ignore_errors=True)
        command = [*prepare, corpus, "--data", str(data), "--trials", official, *options]
        reference = measure(f"find over {corpus}'s folders", ["find", *trees, *find])
        measure(f"stage 0 of {corpus}", command, reference)
        measure(f"stage 0 of {corpus} again", command, reference)
        for name in ("train", "test"):
            speakers = len((data / name / "spk2utt").read_text().splitlines())
            utterances = (data / name / "wav.scp").read_bytes().count(b"\n")
            print(f"    {name}: {utterances:,} utterances of {speakers:,} speakers")
    return 0


def measure(
    name: str, command: list[str], reference: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Run a command; print its times, their ratio to a reference's, and its peak memory.

    Returns:
        Wall and CPU seconds, as `reference` is, too (the process's own, by wait4).
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    if process.returncode:
        sys.exit(errors)
    ratios = [a / b for a, b in zip((seconds, cpu), reference or (seconds, cpu), strict=True)]
    times = f"{seconds:8.1f} {ratios[0]:8.2f} {cpu:8.1f} {ratios[1]:8.2f}"
    print(f"{name:34s} {times} {usage.ru_maxrss / 1e6:8.2f}", flush=True)
    return seconds, cpu


def make_trees(args: argparse.Namespace) -> None:
    done = args.scratch / ".complete"
    wanted = f"{args.share} {args.lists}\n"
    if done.is_file() and done.read_text() == wanted:
        return
    shutil.rmtree(args.scratch, ignore_errors=True)
    args.scratch.mkdir(parents=True)
    links = [make_link(args, number) for number in range(LINKS)]
    draws = random.Random(0)
    start = time.perf_counter()
    files = 0
    ids1 = [f"id{10001 + n}" for n in range(1251)]
    test_ids = [f"id{10270 + n}" for n in range(40)]
    dev_ids = [name for name in ids1 if name not in set(test_ids)]
    ids2 = [f"id{12 + n:05d}" for n in range(6112)]
    listed = real_utterances(args.lists)
    for folder, suffix, ids, counts, given in (
        ("vox1/vox1_dev_wav/wav", "wav", dev_ids, VOXCELEB1_DEV, []),
        ("vox1/vox1_test_wav/wav", "wav", test_ids, VOXCELEB1_TEST, listed),
        ("vox2/dev/aac", "m4a", ids2[118:], VOXCELEB2_DEV, []),
        ("vox2/test/aac", "m4a", ids2[:118], VOXCELEB2_TEST, []),
    ):
        videos, utterances = counts
        keep = 1.0 if given else args.share
        names = list(given)
        names += make_names(ids, int(videos * keep), int(utterances * keep) - len(given), draws)
        for path in names:
            target = args.scratch / folder / f"{path}.{suffix}"
            link(links[files % LINKS], target)
            files += 1
    done.write_text(wanted)
    print(f"{files:,} files made in {time.perf_counter() - start:.0f} s", flush=True)


def make_link(args: argparse.Namespace, number: int) -> Path:
    target = args.scratch / f"audio/{number}.wav"
    target.parent.mkdir(exist_ok=True)
    audio = sorted(args.audio.rglob("*.wav")) if args.audio else []
    if audio:
        shutil.copyfile(audio[number % len(audio)], target)
    else:
        noise = np.random.default_rng(number).uniform(-0.1, 0.1, 16_000)
        soundfile.write(target, noise, 16_000, subtype="PCM_16")
    return target


def make_names(ids: list[str], videos: int, files: int, draws: random.Random) -> Iterator[str]:
    """``speaker/video/segment`` of as many files, evenly over videos, and these over speakers."""
    for number in range(videos):
        video = "".join(draws.choices(LETTERS, k=11))
        speaker = ids[number * len(ids) // videos]
        segments = (number + 1) * files // videos - number * files // videos
        for segment in range(1, segments + 1):
            yield f"{speaker}/{video}/{segment:05d}"


def link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True)
        os.link(source, target)


def real_utterances(lists: Path) -> list[str]:
    lines = (lists / "veri_test.txt").read_text().splitlines()
    return sorted({path.removesuffix(".wav") for line in lines for path in line.split()[1:]})


def random_lists(scratch: Path) -> list[Path]:
    """Random pairs in the numbers of the lists about all of VoxCeleb1."""
    folder = scratch / "random"
    whole = [official for official in OFFICIAL.values() if official.whole]
    lists = [folder / f"random-{official.trials}.txt" for official in whole]
    if all(path.is_file() for path in lists):
        return lists
    draws = random.Random(0)
    folder.mkdir(exist_ok=True)
    wavs = scratch.glob("vox1/*/wav/*/*/*.wav")
    paths = sorted("/".join(path.parts[-3:]) for path in wavs)
    for official, path in zip(whole, lists, strict=True):
        pairs: set[tuple[str, str]] = set()
        while len(pairs) < official.trials:
            pairs.add((draws.choice(paths), draws.choice(paths)))
        path.write_text("".join(f"{int(a[:7] == b[:7])} {a} {b}\n" for a, b in sorted(pairs)))
    return lists


if __name__ == "__main__":
    raise SystemExit(main())
