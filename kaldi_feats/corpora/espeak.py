"""The espeak-ng synthesiser, called through ctypes with voices of our own.

espeak-ng and its data come as the wheel espeakng-loader, which is under GPL-3 and therefore an
extra (``pip install -e '.[synthetic]'``), loaded only when speech is made.
"""

import contextlib
import ctypes
import importlib.metadata
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...command_line import InputError

SAMPLE_RATE = 22050

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def version() -> str:
    """The version of the installed espeak-ng wheel; the samples may differ between two.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.metadata.version("espeakng-loader")
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            "espeak-ng is not installed; the synthetic corpus needs it: "
            "pip install -e '.[synthetic]'"
        ) from None


@contextlib.contextmanager
def voice_folder(voices: Mapping[str, str]) -> Iterator[str]:
    """A temporary espeak-ng data folder with our own voice variants.

    espeak-ng looks for variants in its data folder, under ``voices/!v``; the one of the wheel is
    not ours to write to, so this one links to it.

    Args:
        voices: variant name -> text of its voice file, see espeak-ng's docs/voices.md.
    """
    version()
    import espeakng_loader

    source = Path(espeakng_loader.get_data_path())
    with tempfile.TemporaryDirectory(prefix="voices-") as name:
        folder = Path(name)
        for entry in source.iterdir():
            if entry.name != "voices":
                (folder / entry.name).symlink_to(entry)
        variants = folder / "voices" / "!v"
        variants.mkdir(parents=True)
        for variant, text in voices.items():
            (variants / variant).write_text(text, encoding="ascii")
        yield str(folder)


def speak(
    folder: str, voice: str, text: str, rate: int, pitch: int, pitch_range: int, seed: int
) -> np.ndarray:
    """Speak a text.

    espeak-ng seeds its noise from the clock and carries state from one text to the next (the
    phase of its flutter). So the noise is given a seed, and the library is loaded anew for each
    text, which takes a few milliseconds: what is said depends on the arguments alone.

    Args:
        folder: from `voice_folder`.
        voice: language and variant, ``en-us+name``.
        text: what to say.
        rate: words a minute, 80 to 450.
        pitch: 0 to 100; 50 is the voice's own.
        pitch_range: 0 to 100; 50 is the voice's own.
        seed: of the breath noise, 31 bits.

    Returns:
        int16 array (samples,) at `SAMPLE_RATE`.
    """
    import espeakng_loader

    chunks = []

    def collect(samples, count, events):
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(collect)
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        found = library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(folder), _INITIALIZE_DONT_EXIT
        )
        if found != SAMPLE_RATE:
            raise InputError(f"espeak-ng does not start from {folder}; set TMPDIR to a short path")
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"Invalid value for argument `voice`. Received: voice={voice!r}")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        library.espeak_Synth(
            data, ctypes.c_size_t(len(data) + 1), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        library.espeak_Synchronize()
        library.espeak_Terminate()
    finally:
        _unload(library)
    return np.concatenate(chunks)


def _unload(library: ctypes.CDLL) -> None:
    dlclose = ctypes.CDLL(None).dlclose
    dlclose.argtypes = [ctypes.c_void_p]
    dlclose(library._handle)
