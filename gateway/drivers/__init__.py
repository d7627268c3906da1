"""Bytes to readings, pure, one file per model."""
