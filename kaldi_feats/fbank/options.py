"""Kaldi's option files, and the options of compute-fbank-feats."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ...command_line import InputError
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


def read_options(
    path: str | os.PathLike,
    defaults: Mapping[str, Value] = DEFAULTS,
    named_by: str = "--fbank-config",
) -> dict[str, Value]:
    """Read an option file: lines of ``--name=value``, and comments from ``#``.

    As in Kaldi, ``_`` and upper case in a name do not matter, a boolean may stand without a
    value, and the last of several settings holds.

    Args:
        path: the file.
        defaults: Kaldi's, of the options that there are.
        named_by: the option of the command line that names the file, for messages.

    Returns:
        The value of every option, Kaldi's default where the file says nothing.

    Raises:
        InputError: the file is missing, or a line is no such option, or a value is out of range.
    """
    options = dict(defaults)
    path = Path(path)
    for number, line in enumerate(option_lines(path, named_by), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            name, value = parse_option(line, defaults)
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        options[name] = value
    if "sample-frequency" in options:
        _check_together(options, path)
    return options


def option_lines(path: Path, named_by: str = "--fbank-config") -> list[str]:
    """The lines of an option file, comments included; raises as `read_options`."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name one with {named_by}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; name another with {named_by}") from None
    return text.split("\n")


def parse_option(line: str, defaults: Mapping[str, Value]) -> tuple[str, Value]:
    """The name and the value of ``--name=value``.

    Raises:
        ValueError: it is not of that form, `defaults` has no such option, or the value is out of
            range.
    """
    name, value = _parse(line, defaults)
    _check(name, value)
    return name, value


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
    positive += ("cmn-window",)
    if name in positive and value <= 0:
        raise ValueError(f"--{name} must be greater than 0, found {value}")
    not_negative = ("dither", "low-freq", "energy-floor", "min-duration", "cepstral-lifter")
    not_negative += ("vad-energy-mean-scale", "vad-frames-context")
    if name in not_negative and value < 0:
        raise ValueError(f"--{name} must not be negative, found {value}")
    shares = ("preemphasis-coefficient", "vad-proportion-threshold")
    if name in shares and not 0 <= value <= 1:
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
