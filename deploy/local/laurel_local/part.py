"""What the stack is made of: anything that is one process and can tell whether it is ready."""

from abc import ABC, abstractmethod

from laurel_local.processes import Process, StartError, can_bind


class Part(ABC):
    """One process of the stack.

    `launch` starts it and `ready` asks it, so that several can be started first and waited for together;
    `start` does both for one.
    """

    name: str
    process: Process
    ports: tuple[int, ...] = ()
    """Where it listens."""
    start_timeout: float = 30.0
    stop_timeout: float = 10.0

    def launch(self) -> None:
        """Start the process without waiting for it; a StartError says that a port of it is taken."""
        # Asked before, since whoever holds the port might answer the probe in this one's place.
        for port in self.ports:
            if not can_bind(port):
                raise StartError(f"{self.name}: port {port} of 127.0.0.1 is in use")
        self.process.start()

    @abstractmethod
    def ready(self) -> bool:
        """Ask once whether the process does its work now."""

    def start(self) -> None:
        """Start the process and return when it is ready; a StartError leaves nothing running."""
        self.launch()
        try:
            self.process.wait_ready(self.ready, self.start_timeout)
        except BaseException:
            self.process.kill()
            raise

    def stop(self) -> None:
        """End the process; no error if it is not running."""
        self.process.stop(self.stop_timeout)
