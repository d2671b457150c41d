"""JSON-LD documents that use more of it than credentials as a rule do: contexts of their own, vocabularies, languages.

Some are to be refused. What is accepted must come out of every processor alike, and entire.
"""

from typing import Any

from hypothesis import strategies as st

from laurel.credentials.contexts import CREDENTIALS_EXAMPLES_V2, CREDENTIALS_V1, CREDENTIALS_V2, OPEN_BADGES
from support.generated import IRIS, LANGUAGE_VALUES, MOMENTS, TEXT

Strategy = st.SearchStrategy[Any]

_XSD = "http://www.w3.org/2001/XMLSchema#"
_WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta"])
_NAMES = st.one_of(
    _WORDS,
    _WORDS,
    st.sampled_from(["name", "description", "image", "tag", "jsonSchema", "evidence", "ex:one", "urn:p", "omega"]),
)
_TYPES = st.sampled_from(["VerifiableCredential", "Achievement", "Result", "JsonSchema", "Alpha", "ex:T", "urn:T"])
_NUMBERS = st.one_of(
    st.integers(-(2**54), 2**54),
    st.floats(-1e17, 1e17),
    st.sampled_from([0.1, -0.0, 5e-324, 1e21, 1.0, 2**53 - 1, 1e-7, 123456.789]),
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
_VALUE_OBJECTS = st.one_of(
    LANGUAGE_VALUES,
    st.fixed_dictionaries(
        {
            "@value": st.one_of(TEXT, _NUMBERS, MOMENTS),
            "@type": st.sampled_from([f"{_XSD}dateTime", f"{_XSD}double", f"{_XSD}string", "alpha", "urn:t"]),
        }
    ),
    st.fixed_dictionaries({"@value": TEXT, "@language": st.sampled_from(["not one!", "en-"])}),
    st.fixed_dictionaries({"@value": _JSON, "@type": st.just("@json")}),
)
_LEAVES = st.one_of(
    TEXT, TEXT, IRIS, IRIS, MOMENTS, st.booleans(), _NUMBERS, _VALUE_OBJECTS, _JSON
)  # fmt: skip


def _definitions(scope: Strategy) -> Strategy:
    definition = st.one_of(
        st.sampled_from(["https://x.example/vocab#one", "urn:x:y", "ex:two", "alpha"]),
        st.fixed_dictionaries(
            {"@id": st.sampled_from(["https://x.example/vocab#beta", "urn:x:z", "ex:two"])},
            optional={
                "@type": st.sampled_from(["@id", "@id", "@vocab", "@json", "@none", f"{_XSD}dateTime", "ex:type"]),
                "@container": st.sampled_from(["@set", "@list", "@graph", ["@set"]]),
                "@protected": st.booleans(),
                "@context": scope,
            },
        ),
        st.fixed_dictionaries({"@id": st.just("urn:l"), "@language": st.sampled_from([None, "en", "de-AT"])}),
    )
    return st.fixed_dictionaries(
        {"ex": st.just("https://x.example/")},
        optional={
            "@vocab": st.sampled_from(["https://x.example/vocab#", "urn:v:"]),
            "@language": st.sampled_from(["en", "de-AT"]),
            "@protected": st.just(True),
            "Alpha": st.sampled_from(["urn:x:Alpha", "ex:Alpha"]),
            **dict.fromkeys(("alpha", "beta", "gamma", "delta"), definition),
        },
    )


_BROUGHT = st.one_of(_definitions(_definitions(st.none())), st.just(CREDENTIALS_EXAMPLES_V2), st.just(OPEN_BADGES))


def _nodes(values: Strategy) -> Strategy:
    types = st.one_of(_TYPES, st.lists(_TYPES, min_size=1, max_size=2))
    said = st.dictionaries(_NAMES, st.one_of(values, st.lists(values, min_size=1, max_size=3)), min_size=1, max_size=4)
    about = st.fixed_dictionaries({}, optional={"id": IRIS, "type": types, "@context": _BROUGHT})
    return st.builds(dict.__or__, st.one_of(st.just({}), about), said)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Documents whose contexts begin with those of VC 2.0 or 1.1."""
    base = st.sampled_from([CREDENTIALS_V2, CREDENTIALS_V2, CREDENTIALS_V1])
    return st.builds(
        lambda first, others, node: {**node, "@context": [first, *others]},
        base,
        st.lists(_BROUGHT, min_size=1, max_size=2),
        _nodes(st.recursive(_LEAVES, _nodes, max_leaves=6)),
    )
