"""EST (RFC 7030, RFC 8951): certificates over HTTPS, with HTTP Basic or the terminal's certificate."""
