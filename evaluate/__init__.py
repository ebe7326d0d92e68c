"""From a trained system to embeddings, scores, error rates, tables and figures."""
