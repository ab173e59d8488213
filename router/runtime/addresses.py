"""Network addresses: which of them only this machine can reach, and which belong to one neighbour."""

import ipaddress

LOCAL_NAME = "localhost"
NEIGHBOUR_BITS = 64
"""An IPv6 customer is given a /64 at least: counted one by one, such a neighbour is 2^64 clients."""


def only_this_machine(host: str) -> bool:
    """Whether nobody but this machine can reach a socket bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return is_local_name(host)


def is_local_name(host: str) -> bool:
    """Whether a name means this machine wherever it is looked up (RFC 6761, 6.3)."""
    return host == LOCAL_NAME or host.endswith(f".{LOCAL_NAME}")


def is_address(host: str) -> bool:
    """Whether it is an address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def neighbour(address: str) -> str:
    """Whom a peer's address is counted under: an IPv4 address, or an IPv6 network of NEIGHBOUR_BITS."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, NEIGHBOUR_BITS), strict=False).network_address)
