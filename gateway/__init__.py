"""THE EDGE: transports carry bytes, drivers read them, the spool keeps them, the uplink sends them."""
