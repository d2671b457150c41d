"""Run the notifier: `python -m notifier`, with its settings in `LAUREL_*` environment variables."""

from laurel.runtime import telemetry
from laurel.runtime.settings import load
from laurel.runtime.web import serve
from notifier.app import SERVICE, build
from notifier.config import NotifierSettings


def main() -> None:
    """Serve until told to stop."""
    settings = load(NotifierSettings)
    telemetry.configure(SERVICE, log_level=settings.log_level, otlp_endpoint=settings.otlp_endpoint)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
