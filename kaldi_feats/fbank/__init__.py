"""Log mel filter bank energies: options, extraction, sliding mean, and the stage."""
