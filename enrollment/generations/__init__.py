"""A change of system generation: every terminal retrieves anew, under the next issuing CA, in waves, until the old one's end.

`plans` says what may be planned, `forecast` what that would mean, `changes` what staff decide; `waves` prepares codes,
`closing` settles, reminds and ends, both as jobs that are repeated and taken up where they were; `progress` tells pages.
"""
