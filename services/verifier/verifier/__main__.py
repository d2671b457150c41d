"""Run the verifier: `python -m verifier`."""

from laurel.runtime import telemetry
from laurel.runtime.settings import load
from laurel.runtime.web import serve
from verifier.app import SERVICE, build
from verifier.config import VerifierSettings


def main() -> None:
    """Serve until told to stop."""
    settings = load(VerifierSettings)
    telemetry.configure(SERVICE, log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
