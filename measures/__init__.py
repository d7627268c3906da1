"""WHAT READINGS MEAN: sessions, targets, adherence, statistics. Pure: `now` is passed in."""
