"""Run the registry: `python -m registry`, told by LAUREL_* environment variables."""

from laurel.runtime import telemetry, web
from laurel.runtime.settings import load
from registry.app import SERVICE, build
from registry.config import RegistrySettings


def main() -> None:
    """Serve until told to stop."""
    settings = load(RegistrySettings)
    telemetry.configure(SERVICE, log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    web.serve(build(settings), settings)


if __name__ == "__main__":
    main()
