"""DEVICE -> DURABLE: subscribe, decode, validate, identify, batch, write, then acknowledge."""
