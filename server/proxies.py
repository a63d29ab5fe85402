"""Whose address counts behind reverse proxies: the list of those whose word we take is the operator's."""

import ipaddress
from functools import lru_cache

from server.settings import Network

# Behind a proxy it is the same few addresses again and again.
_parsed = lru_cache(maxsize=1024)(ipaddress.ip_address)


def is_among(address: str, networks: tuple[Network, ...]) -> bool:
    """Return whether a text is an address of some networks."""
    try:
        parsed = _parsed(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def visitor(neighbour: str, forwarded: str, proxies: tuple[Network, ...]) -> str:
    """Return the visitor's address: one that `X-Forwarded-For` tells, where a proxy of ours sent it, else the neighbour's."""
    if not is_among(neighbour, proxies):
        return neighbour
    # The nearest address that is no proxy of ours: what stands further left was written by the visitor.
    found = neighbour
    for address in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        found = address
        if not is_among(address, proxies):
            break
    return found
