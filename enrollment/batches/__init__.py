"""Certificates of many terminals of one office at once: uploaded, confirmed by a person, redeemed by the door that signs.

`uploads` reads files, `records` are the rows and what pages see of them, `deeds` what a person of the office does,
`redeeming` what the signing door does with it, `packages` the files that are handed out.
"""
