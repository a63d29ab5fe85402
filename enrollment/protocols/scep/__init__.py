"""SCEP (RFC 8894): certificates by signed and encrypted messages, for clients that know nothing newer."""
