"""One file per simulated device: encoders written from its protocol, never from our decoders."""
