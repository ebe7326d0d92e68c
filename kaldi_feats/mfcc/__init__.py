"""Mel-frequency cepstra of voiced frames, what i-vectors are of."""
