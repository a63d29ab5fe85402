"""Companies, offices, contracts, terminals, applications, start dates, news: plain records and state tables.

Knows `kernel` only: no PKI, no codes, no web. Other rooms get frozen dataclasses, never rows; functions that take
`session` join their caller's transaction, use cases are methods of small frozen dataclasses.
"""
