"""Options of compute-fbank-feats: Kaldi's option files, and what features were made with."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ...command_line import InputError
from ...files import atomic_write
from ..data_dir import quoted, shown

Value = bool | int | float | str

# Kaldi's defaults (compute-fbank-feats --help); a default's type is the option's type.
DEFAULTS: dict[str, Value] = {
    "sample-frequency": 16000.0,
    "frame-length": 25.0,
    "frame-shift": 10.0,
    "dither": 1.0,
    "preemphasis-coefficient": 0.97,
    "remove-dc-offset": True,
    "window-type": "povey",
    "blackman-coeff": 0.42,
    "round-to-power-of-two": True,
    "snip-edges": True,
    "num-mel-bins": 23,
    "low-freq": 20.0,
    "high-freq": 0.0,
    "use-energy": False,
    "energy-floor": 0.0,
    "raw-energy": True,
    "htk-compat": False,
    "use-log-fbank": True,
    "use-power": True,
    "channel": -1,
    "min-duration": 0.0,
    "allow-downsample": False,
    "allow-upsample": False,
}
# These choose what goes in; they do not change how a frame is computed.
INPUT_OPTIONS = ("channel", "min-duration", "allow-downsample", "allow-upsample")
WINDOW_TYPES = ("hamming", "hanning", "povey", "rectangular", "sine", "blackman")
# Numbers that no recording needs, and that memory would not suffice for.
LARGEST = {"frame-length": 1e4, "frame-shift": 1e4, "num-mel-bins": 1e4, "energy-floor": 1e30}
LONGEST_NUMBER = 40
SLIDING_MEAN = "# apply-cmvn-sliding "


def read_options(path: str | os.PathLike, defaults: Mapping = DEFAULTS) -> dict[str, Value]:
    """Read an option file: lines of ``--name=value``, and comments from ``#``.

    As in Kaldi, ``_`` and upper case in a name do not matter, a boolean may stand without a
    value, and the last of several settings holds.

    Args:
        path: the file.
        defaults: Kaldi's, of the options that there are.

    Returns:
        The value of every option, Kaldi's default where the file says nothing.

    Raises:
        InputError: the file is missing, or a line is not an option of compute-fbank-feats that
            both extractors can honour, or a value is out of range.
    """
    options = dict(defaults)
    path = Path(path)
    for number, line in enumerate(_lines(path), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            name, value = _parse(line, defaults)
            _check(name, value)
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        options[name] = value
    _check_together(options, path)
    return options


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name one with --fbank-config") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; name another with --fbank-config") from None
    return text.split("\n")


def _parse(line: str, defaults: Mapping[str, Value]) -> tuple[str, Value]:
    if not line.startswith("--"):
        raise ValueError(f"expected --name=value, found {quoted(line)}")
    name, equals, text = line[2:].partition("=")
    name, text = name.lower().replace("_", "-"), text.strip()
    if name not in defaults:
        raise ValueError(
            f"--{shown(name)} is not an option that can be used here; known are "
            + " ".join(f"--{known}" for known in defaults)
        )
    kind = type(defaults[name])
    if kind is bool:
        # Kaldi takes a bare --snip-edges for true, but not --snip-edges= with nothing behind it.
        if text.lower() in ("true", "t", "1") or not equals:
            return name, True
        if text.lower() in ("false", "f", "0"):
            return name, False
        raise ValueError(f"--{name} is true or false, found {quoted(text)}")
    if kind is str:
        return name, text
    form = r"[+-]?\d+" if kind is int else r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
    if not re.fullmatch(form, text, re.IGNORECASE | re.ASCII):
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"--{name} needs {what}, found {quoted(text)}")
    if len(text) > LONGEST_NUMBER or abs(number := kind(text)) > LARGEST.get(name, 1e6):
        raise ValueError(f"--{name} is too large, found {quoted(text)}")
    return name, number


def _check(name: str, value: Value) -> None:
    positive = ("sample-frequency", "frame-length", "frame-shift", "num-mel-bins", "num-ceps")
    if name in positive and value <= 0:
        raise ValueError(f"--{name} must be greater than 0, found {value}")
    not_negative = ("dither", "low-freq", "energy-floor", "min-duration", "cepstral-lifter")
    if name in not_negative and value < 0:
        raise ValueError(f"--{name} must not be negative, found {value}")
    if name == "preemphasis-coefficient" and not 0 <= value <= 1:
        raise ValueError(f"--{name} must lie between 0 and 1, found {value}")
    if name == "num-mel-bins" and value < 3:
        raise ValueError(f"--{name} must be at least 3, found {value}")
    if name == "channel" and value < -1:
        raise ValueError(f"--{name} is -1 (expect one channel), 0 (left), 1 (right), found {value}")
    if name == "window-type" and value not in WINDOW_TYPES:
        raise ValueError(f"--{name} is one of {' '.join(WINDOW_TYPES)}, found {quoted(value)}")


def _check_together(options: dict, path: Path) -> None:
    nyquist = options["sample-frequency"] / 2
    high = options["high-freq"] + (nyquist if options["high-freq"] <= 0 else 0)
    if not options["low-freq"] < high <= nyquist:
        raise InputError(
            f"{path}: --low-freq {options['low-freq']:g} and --high-freq {high:g} must be "
            f"increasing and not above half the --sample-frequency ({nyquist:g})"
        )
    for name, least in (("frame-length", 2), ("frame-shift", 1)):
        if int(options["sample-frequency"] * 0.001 * options[name]) < least:
            raise InputError(
                f"{path}: --{name} {options[name]:g} (milliseconds) is less than {least} "
                f"sample(s) at {options['sample-frequency']:g} Hz"
            )


def option_text(value: Value) -> str:
    """One spelling for each value: 25, not 25.0; true, not 1."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    return str(value)


def write_settings(path: str | os.PathLike, options: dict, cmn_window: int, compress: bool) -> None:
    """Leave a record of what features were made with: an option file of every option.

    compute-fbank-feats can read it; what other programs do is in comments.
    """
    with atomic_write(path) as file:
        file.write("# What the features here were made with: compute-fbank-feats with\n")
        for name, value in options.items():
            file.write(f"--{name}={option_text(value)}\n")
        file.write("# and then\n")
        file.write(f"{SLIDING_MEAN}--center=true --cmn-window={cmn_window} --norm-vars=false\n")
        file.write(f"# copy-feats --compress={option_text(compress)}\n")


def feature_settings(data_dir: str | os.PathLike) -> dict[str, str]:
    """How the features of a data directory were computed, for comparing with others.

    Every option that a frame's values depend on, Kaldi's defaults written out, each value in one
    spelling; and the sliding mean. The same whichever extractor made them. Not in it: which
    recordings were let in (`INPUT_OPTIONS`), and how the arks are stored.

    Raises:
        InputError: the directory has no ``fbank.conf`` of the feature stage.
    """
    path = Path(data_dir) / "fbank.conf"
    if not path.is_file():
        raise InputError(f"{path}: no such file; make the features with kaldi_feats/make_fbank.sh")
    settings = {
        name: option_text(value)
        for name, value in read_options(path).items()
        if name not in INPUT_OPTIONS
    }
    lines = _lines(path)
    sliding = [line.removeprefix(SLIDING_MEAN) for line in lines if line.startswith(SLIDING_MEAN)]
    if len(sliding) != 1:
        raise InputError(
            f"{path}: no line '{SLIDING_MEAN}...'; run kaldi_feats/make_fbank.sh again"
        )
    for option in sliding[0].split():
        name, _, value = option.removeprefix("--").partition("=")
        settings[name] = value
    return settings


def parse_settings(settings: Mapping[str, str]) -> tuple[dict[str, bool | int | float | str], int]:
    """The inverse of `feature_settings`.

    Returns:
        Every option as `read_options` has it, and the frames that the sliding mean is taken over.

    Raises:
        InputError: a setting is unknown or out of range, or the sliding mean is another than the
            stage's.
    """
    options, sliding = dict(DEFAULTS), {}
    try:
        for name, text in settings.items():
            if name in ("center", "norm-vars", "cmn-window"):
                sliding[name] = str(text)
                continue
            options[name] = _parsed(name, text)
        if (sliding.get("center"), sliding.get("norm-vars")) != ("true", "false"):
            raise ValueError("the sliding mean is not centred, or variances are normalised")
        window = int(sliding.get("cmn-window", ""))
        if window < 1:
            raise ValueError(f"--cmn-window must be at least 1, found {window}")
    except ValueError as error:
        raise InputError(f"settings of the features: {error}") from None
    return options, window


def _parsed(name: str, text: str) -> bool | int | float | str:
    known, value = _parse(f"--{name}={text}", DEFAULTS)
    _check(known, value)
    return value
