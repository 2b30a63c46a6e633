"""What a recording refuses."""

from livecassi.drivers import LivecassiError, SourceError


class RecordingError(LivecassiError):
    """Frames or cubes cannot be kept in, or read from, a file: the message says which and what to do."""


class RecordingUnreadableError(RecordingError, SourceError):
    """A recorded frame cannot be read, for whoever replays it as a source."""
