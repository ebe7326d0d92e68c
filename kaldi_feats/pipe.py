"""The output of a command in wav.scp, which may hang, or never end."""

import contextlib
import os
import selectors
import signal
import struct
import subprocess
import time
from dataclasses import dataclass

from ..command_line import InputError

CHUNK = 1 << 16
# What is assumed of a recording whose header is not known (yet): 16 bits, 16 kHz.
BYTES_A_SECOND = 32_000
# Of what a command says on stderr so much is kept, its end.
SAID = 4096


@dataclass(frozen=True)
class Limits:
    """What a recording may take.

    Attributes:
        pipe_timeout: seconds that a command of wav.scp may be silent, and may go on after its
            output has ended.
        max_minutes: the longest recording.
    """

    pipe_timeout: float = 60.0
    max_minutes: float = 240.0


def output_of(command: str, place: str, limits: Limits) -> tuple[bytes, str]:
    """Run a command by /bin/sh, as Kaldi does, and take what it writes.

    Whatever the command started is stopped if it does not end by itself, or we are interrupted.

    Returns:
        Its standard output, and the last line that it says on stderr, which may be empty.

    Raises:
        InputError: it exits with an error, writes nothing, stays silent for too long, or writes
            more than the longest recording has.
    """
    process = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    try:
        output, said = _communicate(process, place, limits)
        try:
            code = process.wait(limits.pipe_timeout)
        except subprocess.TimeoutExpired:
            raise _silent(place, limits) from None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()
    last = (said.decode(errors="replace").strip().splitlines() or [""])[-1]
    if code != 0:
        raise InputError(f"{place}: the command exits with code {code}{': ' * bool(last)}{last}")
    if not output:
        raise InputError(f"{place}: the command writes nothing to its standard output")
    return bytes(output), last


def _communicate(
    process: subprocess.Popen, place: str, limits: Limits
) -> tuple[bytearray, bytearray]:
    """All of its output, and the end of what it says on stderr."""
    output, said = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        heard = time.monotonic()
        while selector.get_map():
            left = heard + limits.pipe_timeout - time.monotonic()
            ready = selector.select(max(left, 0))
            if not ready and left <= 0:
                raise _silent(place, limits)
            for key, _ in ready:
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    said += chunk
                    del said[:-SAID]
                else:
                    heard = time.monotonic()
                    output += chunk
                    if len(output) > most_bytes(output, limits):
                        raise InputError(
                            f"{place}: the command writes more than the {limits.max_minutes:g} "
                            "minutes that a recording may have; correct it, or give --max-minutes"
                        )
            if time.monotonic() - heard > limits.pipe_timeout:  # it only complains
                raise _silent(place, limits)
    return output, said


def _silent(place: str, limits: Limits) -> InputError:
    return InputError(
        f"{place}: the command writes nothing for {limits.pipe_timeout:g} s and does not end; "
        "correct it, or give --pipe-timeout"
    )


def most_bytes(start: bytes | bytearray, limits: Limits) -> float:
    """The size of the longest recording of the kind that begins so."""
    rate = BYTES_A_SECOND
    if start[:4] in (b"RIFF", b"RF64") and start[12:16] == b"fmt " and len(start) >= 32:
        rate = struct.unpack_from("<I", start, 28)[0] or rate
        rate = min(rate, 100 * BYTES_A_SECOND)
    return limits.max_minutes * 60 * rate + CHUNK
