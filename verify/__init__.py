"""A trained system as a tool: embeddings, decisions, enrolled voices, an exported model."""

from .decision import Decision
from .verifier import Verifier

__all__ = ["Decision", "Verifier"]
