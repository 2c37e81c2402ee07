"""Evaluation: retrieval recall and forgetting. Nothing here reads a strategy."""
