"""The certificate authority: profiles, issuers, certificates, revocations, CRL, OCSP, ceremony, publication.

Knows terminals by their name only; customers and codes are strangers to it.
"""
