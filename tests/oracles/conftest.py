"""The oracles: Node's for the whole run, once its packages are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from laurel.credentials.keys import KeyType, SigningKey
from laurel_local.kafka_jars import Unavailable
from oracles.digital_bazaar import DigitalBazaar, NodeProcess
from oracles.open_badges_lib import OpenBadgesLib
from oracles.openvc_core import OpenvcCore
from oracles.oracle import Oracle
from support.missing import not_here


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Node, with other people's packages."""
    try:
        process = NodeProcess(tmp_path_factory.mktemp("node"))
    except Unavailable as reason:
        not_here(f"the oracles in Node could not be obtained: {reason}", tests="every test against @digitalbazaar/vc")
    yield process
    process.stop()


@pytest.fixture(params=[DigitalBazaar.name, OpenvcCore.name, OpenBadgesLib.name])
def oracle(request: pytest.FixtureRequest) -> Oracle:
    """Each of them in turn."""
    if request.param == DigitalBazaar.name:
        return DigitalBazaar(request.getfixturevalue("node"))
    return OpenvcCore() if request.param == OpenvcCore.name else OpenBadgesLib()


@pytest.fixture(scope="session")
def keys() -> Mapping[KeyType, SigningKey]:
    """One key of each type."""
    return {key_type: SigningKey.generate(key_type) for key_type in KeyType}
