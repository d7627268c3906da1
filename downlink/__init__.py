"""DURABLE -> DEVICE: plans into doses, rows into messages on dn/, answers recorded."""
