"""The registration authority: codes, redemption, logon, suspension, revocation requests, protocols, the terminal's client.

The one room that knows both the certificate authority and the registry.
"""
