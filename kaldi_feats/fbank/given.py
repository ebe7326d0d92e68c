"""Features that somebody has made: checked and put in place, instead of being computed."""

import logging
from functools import cached_property

from ...command_line import InputError
from ...stamp import Stamp
from ..data_dir import read_table, shown, write_table
from ..data_set import GIVEN_FEATURES
from ..kinds.record import write_record
from ..reader import FeatureReader
from .stage import Chunk, FeatureStage

log = logging.getLogger(__name__)


class GivenFeatures(FeatureStage):
    """The feature stage of a data directory with `GIVEN_FEATURES`: there is no ark to be made.

    The features are taken as they are, and to be what the options and the sliding mean would make:
    so the record says, and only their dimension can be checked.
    """

    @cached_property
    def chunks(self) -> list[Chunk]:
        """None."""
        return []

    @cached_property
    def _reader(self) -> FeatureReader:
        return FeatureReader(self.data_dir / GIVEN_FEATURES)

    @cached_property
    def _stamp(self) -> Stamp:
        inputs = {"settings": self._made_with, "given": self._reader.digest()}
        return Stamp(self._done, inputs, self._tables)

    def finish(self) -> list[str]:
        """Put feats.scp, utt2num_frames and the record in place.

        Returns:
            The utterances that have no features: none is left out.

        Raises:
            InputError: a matrix cannot be read, or has not the dimension that the options make.
        """
        dim = self.kind.extractor(self.settings.options).dim
        num_frames = {}
        for number, utterance in enumerate(self._reader, start=1):
            frames, bands = self._reader[utterance].shape
            if bands != dim:
                raise InputError(
                    f"{self._reader.scp}:{number}: {shown(utterance)}: its features have {bands} "
                    f"values a frame, and the options of --fbank-config make {dim}; give the "
                    "options that these were made with, or remove feats.scp and have them computed"
                )
            num_frames[utterance] = str(frames)
        log.info("%s: taking the features of %d utterances", self.data_dir, len(num_frames))
        with self._stamp.renew():
            write_table(self.data_dir / "feats.scp", read_table(self._reader.scp))
            write_table(self.data_dir / "utt2num_frames", num_frames)
            write_record(self.data_dir, self.settings, self.compress)
        return []
