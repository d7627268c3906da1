"""DURABLE -> PERSON: rules, episodes, escalation, outbox, channels, actions."""
