"""What of the end-to-end tests can be run here."""

from support.containers import docker_answers

# Not skipped but not there: no engine is no gap of the machine that the tests were promised to run on.
collect_ignore = [] if docker_answers() else ["test_containers.py"]
