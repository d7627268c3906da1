"""Bytes in and out, no meaning."""
