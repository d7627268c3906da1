"""A simulated robot that speaks the whole of HH/1, written from the specification.

It builds its messages as plain keys and values and encodes them with the standard libraries, so
that nothing of the hub's own code is between it and the wire. Begin with `device.Robot`.
"""
