"""From a configuration and a data directory to a trained system."""
