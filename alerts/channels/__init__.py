"""Ways to reach a person: each takes a message and says delivered, try again, or needs a person."""
