"""The errors of livecassi, ordered by what the caller can do about them."""


class LivecassiError(Exception):
    """Anything livecassi refuses: the message says what was found, what was expected and what to do."""


class SourceError(LivecassiError):
    """A camera or a file of frames cannot deliver."""


class SourceNotFoundError(SourceError):
    """No such camera, producer or file: choose another."""


class SourceLostError(SourceError):
    """The camera or file vanished while it delivered: reconnect and start again."""


class SourceUnsupportedError(SourceError):
    """The camera or file delivers something that livecassi cannot use: change its settings or convert it."""
