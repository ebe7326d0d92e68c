"""A trained system as a tool: embeddings, decisions, enrolled voices, an exported model."""

from .verifier import Decision, Verifier

__all__ = ["Decision", "Verifier"]
