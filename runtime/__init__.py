"""HOW A PROCESS LIVES: settings, clock, log, metrics, back-off, supervision, embedded servers."""
