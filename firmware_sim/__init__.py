"""DEVICES NOT THERE: physiology, device models that emit real bytes, households, controls."""
