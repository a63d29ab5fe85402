"""What every room stands on: clock, errors, lifecycles, database, audit, outbox, throttle. Knows no other room."""
