"""WHAT READINGS MEAN: sessions, targets, adherence. Pure: values in, values out, `now` passed in."""
