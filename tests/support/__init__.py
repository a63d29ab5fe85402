"""What tests stand on: a settable clock (the only fake), a private PostgreSQL, a browser."""
