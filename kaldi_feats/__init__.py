"""From a corpus to Kaldi data directories and fbank archives, and the one reader of ark/scp."""
