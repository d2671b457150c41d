"""Credentials that nobody thought of: a hypothesis strategy for Open Badges with whatever the standard allows."""

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from laurel.credentials.values import format_datetime

Document = dict[str, Any]
Strategy = st.SearchStrategy[Any]

# All that needs care: quotes and backslashes, line ends, separators that are none, composed and decomposed letters,
# right-to-left letters, what UTF-16 sorts otherwise than code points do, astral characters.
_CAREFUL = "\\\"\n\r\t\u2028\u2029\u0085\u00e9e\u0301\u05d0\u202e\ue000\ufb33\ufffd\U00010348\U0001f600<>&'%{}"
_SAFE = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
TEXT = st.text(st.one_of(_SAFE, st.sampled_from(_CAREFUL)), min_size=1, max_size=12)
LANGUAGE_VALUES = st.fixed_dictionaries(
    {"@value": TEXT, "@language": st.sampled_from(["en", "de-at", "zh-hant-tw", "ar"])}
)
IRIS = st.one_of(
    st.uuids().map(lambda value: f"urn:uuid:{value}"),
    st.builds(
        "https://{}.example/{}?{}#{}".format,
        st.sampled_from(["academy", "xn--bcher-kva", "b\u00fccher"]),
        st.lists(st.sampled_from(["a", "Z0", "%41", "-._~", "\u00e9\u5b66\U00010348", "/:@!$&'()*+,;="]), max_size=6)
        .map("".join),
        st.text("ab/?:@", max_size=4),
        st.text("ab-", max_size=4),
    ),
    st.just("did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"),
)  # fmt: skip
MOMENTS = st.one_of(
    st.integers(0, 1_767_000_000).map(lambda second: format_datetime(datetime.fromtimestamp(second, UTC))),
    st.sampled_from(["2020-02-29T23:59:59.123456789Z", "1999-12-31T12:00:00+14:00", "2001-01-01T00:00:00-00:30"]),
)
DATES = st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(date.isoformat)
WHOLE = st.integers(0, 2**53 - 1)
# Eighths, which are exact: of other fractions, some have more than one spelling in RDF and are refused.
FRACTIONS = st.integers(-1_000_000, 1_000_000).map(lambda number: number / 8)


def credentials(
    *, language_values: bool = False, endorsed: bool = False, fractions: bool = False
) -> st.SearchStrategy[Document]:
    """Unsigned Open Badges 3.0, each with some of the optional members, or with all of them.

    `language_values` puts value objects such as {"@value": "Kurs", "@language": "de"} where some of the texts stand,
    which VC 2.0 allows and Open Badges' schema does not. `endorsed` embeds endorsements, credentials with contexts and
    proofs of their own. `fractions` allows numbers that are not whole.
    """
    words = st.one_of(TEXT, LANGUAGE_VALUES) if language_values else TEXT
    return st.sampled_from([False, False, False, True]).flatmap(
        lambda complete: _Parts(words, FRACTIONS if fractions else WHOLE, endorsed, complete).credential()
    )


class _Parts:
    """The parts of a credential, named as in the data model of Open Badges 3.0 (appendix B)."""

    def __init__(self, words: Strategy, numbers: Strategy, endorsed: bool, complete: bool) -> None:
        self.words = words
        self.numbers = numbers
        self.endorsed = endorsed
        self.complete = complete

    def _object(self, required: dict[str, Strategy], /, **optional: Strategy) -> Strategy:
        if self.complete:
            return st.fixed_dictionaries({**required, **optional})
        return st.fixed_dictionaries(required, optional=optional)

    def _typed(self, name: str, required: dict[str, Strategy], /, **optional: Strategy) -> Strategy:
        return self._object({"type": st.just([name]), **required}, **optional)

    def _list(self, part: Strategy, most: int = 2) -> Strategy:
        return st.lists(part, min_size=1, max_size=most)

    def credential(self) -> Strategy:
        endorsements = {"endorsement": self._list(self.endorsement())} if self.endorsed else {}
        return self._object(
            {
                "@context": st.just([CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS]),
                # Its own: what is said of another object of this id would be said of the badge.
                "id": st.uuids().map(lambda each: each.urn),
                "type": st.sampled_from(["OpenBadgeCredential", "AchievementCredential"]).map(
                    lambda name: ["VerifiableCredential", name]
                ),
                "name": self.words,
                "issuer": self.profile(),
                "validFrom": MOMENTS,
                "credentialSubject": self.subject(),
            },
            description=self.words,
            image=self.image(),
            validUntil=st.just("2031-01-01T00:00:00Z"),
            awardedDate=MOMENTS,
            evidence=self._list(self.evidence()),
            credentialSchema=self._list(
                st.fixed_dictionaries({"id": IRIS, "type": st.just("1EdTechJsonSchemaValidator2019")})
            ),
            credentialStatus=self.status(),
            refreshService=st.fixed_dictionaries({"id": IRIS, "type": st.just("1EdTechCredentialRefresh")}),
            endorsementJwt=self._list(st.text("abcXYZ019-_.", min_size=3, max_size=9)),
            **endorsements,
        )

    def image(self) -> Strategy:
        return self._object({"id": IRIS, "type": st.just("Image")}, caption=self.words)

    def status(self) -> Strategy:
        def entries(index: int, address: str) -> list[Document]:
            return [
                {
                    "id": f"urn:status:{purpose}:{index}",
                    "type": "BitstringStatusListEntry",
                    "statusPurpose": purpose,
                    "statusListIndex": str(index),
                    "statusListCredential": address,
                }
                for purpose in ("revocation", "suspension")
            ]

        return st.builds(entries, st.integers(0, 131_071), IRIS)

    def evidence(self) -> Strategy:
        words = dict.fromkeys(("name", "description", "narrative", "genre", "audience"), self.words)
        return self._typed("Evidence", {}, id=IRIS, **words)

    def profile(self) -> Strategy:
        names = (
            "name", "phone", "description", "official", "familyName", "givenName", "additionalName", "patronymicName",
            "honorificPrefix", "honorificSuffix", "familyNamePrefix",
        )  # fmt: skip
        return self._typed(
            "Profile",
            {"id": IRIS},
            url=IRIS,
            image=self.image(),
            email=st.emails(),
            address=self.address(),
            otherIdentifier=self._list(self.identifier_entry()),
            dateOfBirth=DATES,
            parentOrg=self._typed("Profile", {"id": IRIS}, name=self.words),
            **dict.fromkeys(names, self.words),
        )

    def address(self) -> Strategy:
        names = (
            "addressCountry", "addressCountryCode", "addressRegion", "addressLocality", "streetAddress",
            "postOfficeBoxNumber", "postalCode",
        )  # fmt: skip
        place = self._typed("GeoCoordinates", {"latitude": self.numbers, "longitude": self.numbers})
        return self._typed("Address", {}, geo=place, **dict.fromkeys(names, self.words))

    def identifier_entry(self) -> Strategy:
        return st.fixed_dictionaries(
            {
                "type": st.just("IdentifierEntry"),
                "identifier": TEXT,
                "identifierType": st.sampled_from(["sourcedId", "nationalIdentityNumber", "ext:x"]),
            }
        )

    def identity(self) -> Strategy:
        return self._object(
            {
                "type": st.just("IdentityObject"),
                "hashed": st.booleans(),
                "identityHash": st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256${}".format),
                "identityType": st.just("emailAddress"),
            },
            salt=TEXT,
        )

    def subject(self) -> Strategy:
        known = st.sampled_from([("id",), ("identifier",), ("id", "identifier")])
        recipient = known.flatmap(
            lambda names: st.fixed_dictionaries(
                {name: {"id": IRIS, "identifier": self._list(self.identity())}[name] for name in names}
            )
        )
        return st.builds(
            dict.__or__,
            recipient,
            self._typed(
                "AchievementSubject",
                {"achievement": self.achievement()},
                activityStartDate=MOMENTS,
                activityEndDate=MOMENTS,
                creditsEarned=self.numbers,
                image=self.image(),
                licenseNumber=self.words,
                narrative=self.words,
                result=self._list(self.result()),
                role=self.words,
                source=self.profile(),
                term=self.words,
            ),
        )

    def result(self) -> Strategy:
        return self._typed(
            "Result",
            {},
            status=st.sampled_from(["Completed", "Enrolled", "InProgress"]),
            value=self.words,
            achievedLevel=IRIS,
            resultDescription=IRIS,
            alignment=self._list(self.alignment()),
        )

    def achievement(self) -> Strategy:
        return self._typed(
            "Achievement",
            {
                "id": IRIS,
                "name": self.words,
                "description": self.words,
                "criteria": self._object({"narrative": self.words}, id=IRIS),
            },
            achievementType=st.sampled_from(["MicroCredential", "Course", "ext:Something"]),
            alignment=self._list(self.alignment(), 3),
            creator=self.profile(),
            creditsAvailable=self.numbers,
            fieldOfStudy=self.words,
            humanCode=self.words,
            image=self.image(),
            inLanguage=st.sampled_from(["en", "de-AT"]),
            otherIdentifier=self._list(self.identifier_entry()),
            related=self._list(self._typed("Related", {"id": IRIS}, version=self.words)),
            resultDescription=self._list(self.result_description()),
            specialization=self.words,
            tag=self._list(self.words, 4),
            version=self.words,
        )

    def alignment(self) -> Strategy:
        return self._typed(
            "Alignment",
            {"targetName": self.words, "targetUrl": IRIS},
            targetCode=self.words,
            targetDescription=self.words,
            targetFramework=self.words,
            targetType=st.sampled_from(["ceasn:Competency", "CFItem", "ext:x"]),
        )

    def result_description(self) -> Strategy:
        level = self._typed(
            "RubricCriterionLevel",
            {"id": IRIS, "name": self.words},
            description=self.words,
            level=self.words,
            points=self.words,
            alignment=self._list(self.alignment()),
        )
        return self._typed(
            "ResultDescription",
            {"id": IRIS, "name": self.words, "resultType": st.sampled_from(["GradePointAverage", "Percent"])},
            allowedValue=st.lists(self.words, min_size=1, max_size=4),
            requiredLevel=IRIS,
            requiredValue=self.words,
            rubricCriterionLevel=self._list(level),
            valueMax=self.words,
            valueMin=self.words,
            alignment=self._list(self.alignment()),
        )

    def endorsement(self) -> Strategy:
        return self._object(
            {
                "@context": st.just([CREDENTIALS_V2, OPEN_BADGES]),
                "id": IRIS,
                "type": st.just(["VerifiableCredential", "EndorsementCredential"]),
                "name": self.words,
                "issuer": self.profile(),
                "validFrom": MOMENTS,
                "credentialSubject": self._typed("EndorsementSubject", {"id": IRIS}, endorsementComment=self.words),
                "proof": st.builds(
                    lambda created, method, value: {
                        "type": "DataIntegrityProof",
                        "cryptosuite": "eddsa-rdfc-2022",
                        "created": created,
                        "verificationMethod": method,
                        "proofPurpose": "assertionMethod",
                        "proofValue": f"z{value}",
                    },
                    MOMENTS,
                    IRIS,
                    st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=8, max_size=8),
                ),
            },
            awardedDate=MOMENTS,
        )
