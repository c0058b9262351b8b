"""What may go wrong here, said so that the reader knows what to do next."""


class LocalError(Exception):
    """Printed as it is, without a traceback: the message says what to do."""


class PartFailed(LocalError):
    """A part did not come up. The end of its log is shown below the message."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part} did not come up: {reason}")
        self.part = part
        self.reason = reason
