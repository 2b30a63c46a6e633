"""What a recording refuses."""

import re

from livecassi.drivers import LivecassiError, SourceError


class RecordingError(LivecassiError):
    """Frames or cubes cannot be kept in, or read from, a file: the message says which and what to do."""


class RecordingUnreadableError(RecordingError, SourceError):
    """A recorded frame cannot be read, for whoever replays it as a source."""


def reason_of(error: Exception) -> str:
    """What an error says in one line; of HDF5's long reports only what the operating system said."""
    system = re.search(r"error message = '([^']+)'", str(error))
    return system[1] if system else str(error).partition("\n")[0] or type(error).__name__
