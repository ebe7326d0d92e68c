"""i-vectors: mixtures of Gaussians, and from a recording's statistics under them to one vector."""
