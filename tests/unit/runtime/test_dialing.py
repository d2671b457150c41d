"""Which addresses may be connected to. The tables are IANA's registries of special-purpose addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.runtime.dialing import Dialer, NotAllowed, Reach, SystemLookup

PUBLIC = ["1.1.1.1", "93.184.215.14", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "223.255.255.1",
          "2606:4700::1", "2a00:1450::1", "2400:cb00::1", "64:ff9b::5db8:d70e"]  # fmt: skip
ON_THIS_MACHINE = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"]
PRIVATE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255", "fd00::1",
           "fc00::1", "169.254.169.254", "fe80::1", "fec0::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"]  # fmt: skip
NOBODY = [
    "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255",
    "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::2", "::7f00:1", "::808:808", "::ffff:0:7f00:1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:db8::1",
    "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "4000::1", "ff02::1", "ff0e::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    for reach in (Reach(), Reach(loopback=True), Reach(loopback=True, private=True)):
        assert reach.refusal(address) is None


@pytest.mark.parametrize("address", ON_THIS_MACHINE + PRIVATE + NOBODY)
def test_no_other_address_may(address: str) -> None:
    assert Reach().refusal(address) is not None


@pytest.mark.parametrize("address", ON_THIS_MACHINE)
def test_this_machine_may_where_it_is_allowed(address: str) -> None:
    assert Reach(loopback=True).refusal(address) is None
    assert "on this machine" in str(Reach(private=True).refusal(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_may_where_they_are_allowed(address: str) -> None:
    assert Reach(private=True).refusal(address) is None
    assert Reach(loopback=True).refusal(address) is not None


@settings(deadline=None, max_examples=300)
@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0/96", "::/96", "2002::/16", "64:ff9b:1::/96", "2001::/32"]))
def test_no_ipv4_address_is_reached_through_ipv6_but_a_public_one_by_nat64(inner: IPv4Address, tunnel: str) -> None:
    network = IPv6Network(tunnel)
    for shift in {0, 128 - 32 - network.prefixlen}:
        outer = IPv6Address(int(network.network_address) | int(inner) << shift)
        assert Reach().refusal(str(outer)) is not None
    nat64 = IPv6Address(int(IPv6Address("64:ff9b::")) | int(inner))
    assert (Reach().refusal(str(nat64)) is None) == (Reach().refusal(str(inner)) is None)


@pytest.mark.parametrize("spelling", ["127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "localhost"])
async def test_spellings_of_this_machine_are_its_address_once_they_are_looked_up(spelling: str) -> None:
    lookup = SystemLookup(1)
    try:
        with pytest.raises(NotAllowed, match="on this machine"):
            await Dialer(lookup, Reach(), 1000).connect_tcp(spelling, 1, 5)
    finally:
        lookup.close()


@pytest.mark.parametrize(
    "found", [["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"], ["1.1.1.1", "2606:4700::1", "::1"]]
)
async def test_one_address_out_of_bounds_spoils_the_name(found: Sequence[str]) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return found

    with pytest.raises(NotAllowed):
        await Dialer(lookup, Reach(), 1000).connect_tcp("example.org", 443, 5)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "\udcff.example"])
async def test_a_host_that_no_name_server_could_know_is_not_allowed(host: str) -> None:
    lookup = SystemLookup(1)
    try:
        with pytest.raises((NotAllowed, httpcore.ConnectError)):
            await Dialer(lookup, Reach(), 1000).connect_tcp(host, 443, 5)
    finally:
        lookup.close()
