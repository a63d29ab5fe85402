"""Custody of keys: where they are kept, how they are opened, and the sealing and keyed hashing of codes.

Knows neither databases nor what a certificate means. A signing key *is* a pyca private key, whatever holds it.
"""
