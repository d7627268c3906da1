"""WHAT IS SAID: the dictionary of vital signs, topics, messages, errors and codec of HH/1. Pure."""
