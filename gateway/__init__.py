"""THE EDGE: a cuff's bytes become durable readings; a plan becomes a voice at the right minute."""
