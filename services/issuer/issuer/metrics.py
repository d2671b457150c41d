"""What the issuer counts beyond what every service counts."""

from prometheus_client import Counter, Gauge

COMPLETIONS_DECIDED = Counter("laurel_completions_total", "Completion records decided on.", ["outcome"])
CREDENTIALS_REQUESTED = Counter("laurel_credentials_requested_total", "Asked for through the VC-API.", ["outcome"])
REJECTIONS = Counter("laurel_rejections_total", "Completions rejected.", ["code"])
LISTS_SIGNED = Counter("laurel_status_lists_signed_total", "Status lists signed and published.", ["purpose"])
LISTS_WAITING = Gauge("laurel_status_lists_waiting", "List families that changed and are not published yet.")
