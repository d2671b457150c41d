"""Run the issuer: `python -m issuer`, with LAUREL_* settings in the environment."""

from laurel.runtime import settings, telemetry, web

from issuer.app import build
from issuer.config import IssuerSettings


def main() -> None:
    """Load the settings, then serve until told to stop."""
    loaded = settings.load(IssuerSettings)
    telemetry.configure("issuer", log_level=loaded.log_level, otlp_endpoint=loaded.otlp_endpoint)
    web.serve(build(loaded), loaded)


if __name__ == "__main__":
    main()
