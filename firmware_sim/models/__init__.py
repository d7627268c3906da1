"""One file per simulated device: an encoder written from the specification, never from our decoders."""
