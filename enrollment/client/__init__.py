"""The terminal's own client, for the customer's PC: makes the key, redeems codes, keeps what it gets, tries the logon.

Knows the doors by what they publish and nothing of the server's inside: no database, no tables, no settings.
"""
