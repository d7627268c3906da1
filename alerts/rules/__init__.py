"""Pure rules: a window of values and `now` in, a verdict with its reason out."""
