"""Run the issuer: `python -m issuer`, with LAUREL_* settings in the environment."""

from issuer.app import build
from issuer.config import IssuerSettings
from laurel.runtime import settings, telemetry, web


def main() -> None:
    """Load the settings, then serve until told to stop."""
    loaded = settings.load(IssuerSettings)
    telemetry.configure("issuer", log_level=loaded.log_level, otlp_endpoint=loaded.otlp_endpoint)
    try:
        app = build(loaded)
    except ValueError as error:  # the signing keys file is there, but does not hold what it should
        settings.refuse("LAUREL_SIGNING_KEYS_FILE", str(error))
    web.serve(app, loaded)


if __name__ == "__main__":
    main()
