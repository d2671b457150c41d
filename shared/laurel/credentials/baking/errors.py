"""What can be wrong with a baked badge."""

from laurel.credentials.errors import MalformedCredential


class BakingError(MalformedCredential):
    """The image cannot carry a credential, carries none that can be read, or the credential cannot be carried."""


def damaged(detail: str) -> BakingError:
    """The error for an image, or a badge in it, that is not written as its format demands."""
    return BakingError(detail, code="PARSING_ERROR")


def nothing_baked() -> BakingError:
    """The error for an image without a badge."""
    return BakingError("The image carries no Open Badges 3.0 credential.")


def several_baked() -> BakingError:
    """The error for an image with several badges, of which two readers could each see another."""
    return BakingError("The image carries more than one credential; Open Badges allows one.")


def older_baked() -> BakingError:
    """The error for an image whose badge is of an older Open Badges, which is no verifiable credential."""
    return BakingError(
        "The image carries a badge of Open Badges 2.0 or older; ask its issuer for an Open Badges 3.0 credential."
    )
