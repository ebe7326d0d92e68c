"""Features as Kaldi's programs compute them, with kaldi-native-fbank."""

from collections.abc import Callable

import kaldi_native_fbank as knf
import numpy as np


class Extractor:
    """Computes features from samples.

    Args:
        open_online: makes what takes samples and gives frames, anew for each recording.
        sample_frequency: of the samples, in Hz.

    Raises:
        ValueError: the options that it is made with contradict each other (more mel bins than the
            spectrum can fill).

    Source: kaldi-native-fbank is Kaldi's code of src/feat without the rest.
    """

    def __init__(
        self, open_online: Callable[[], knf.OnlineFbank | knf.OnlineMfcc], sample_frequency: float
    ):
        self._open = open_online
        self.sample_frequency = sample_frequency
        self._open()

    @property
    def dim(self) -> int:
        """How many numbers a frame has."""
        return self._open().dim

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Features of one whole recording.

        Args:
            samples: (samples,), in the range of 16-bit integers, at the configured frequency.

        Returns:
            float32 (frames, dim); no frames if the recording is shorter than a window.
        """
        extractor = self._open()
        extractor.accept_waveform(self.sample_frequency, samples)
        extractor.input_finished()
        frames = [extractor.get_frame(t) for t in range(extractor.num_frames_ready)]
        return np.array(frames, np.float32).reshape(len(frames), extractor.dim)


class Fbank(Extractor):
    """Log mel filter banks, as compute-fbank-feats (src/feat/feature-fbank.cc).

    Args:
        options: every option's value, as `options.read_options` returns them.
    """

    def __init__(self, options: dict):
        native = knf.FbankOptions()
        set_common(native, options)
        native.use_log_fbank = options["use-log-fbank"]
        native.use_power = options["use-power"]
        super().__init__(lambda: knf.OnlineFbank(native), options["sample-frequency"])


def set_common(native: knf.FbankOptions | knf.MfccOptions, options: dict) -> None:
    """Set what filter banks and cepstra have in common."""
    frame, mel = native.frame_opts, native.mel_opts
    frame.samp_freq = options["sample-frequency"]
    frame.frame_length_ms = options["frame-length"]
    frame.frame_shift_ms = options["frame-shift"]
    frame.dither = options["dither"]
    frame.preemph_coeff = options["preemphasis-coefficient"]
    frame.remove_dc_offset = options["remove-dc-offset"]
    frame.window_type = options["window-type"]
    frame.blackman_coeff = options["blackman-coeff"]
    frame.round_to_power_of_two = options["round-to-power-of-two"]
    frame.snip_edges = options["snip-edges"]
    mel.num_bins = options["num-mel-bins"]
    mel.low_freq = options["low-freq"]
    mel.high_freq = options["high-freq"]
    native.use_energy = options["use-energy"]
    native.energy_floor = options["energy-floor"]
    native.raw_energy = options["raw-energy"]
    native.htk_compat = options["htk-compat"]
