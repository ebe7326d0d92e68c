"""Magnitude spectrograms, what VGG-M is trained on."""
