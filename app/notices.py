"""What is said calmly over the picture while there is something to wait for or to do."""

from livecassi.app.drift_words import alarm_words
from livecassi.app.result import Result
from livecassi.app.session import SessionState, SessionStats


def notice(stats: SessionStats, shown: Result | None) -> str:
    """One line about the session, given what is on the screen; empty where all is well."""
    if stats.state is SessionState.FAILED:
        return "No frames: the source failed. Press Space to start it again"
    if stats.state is SessionState.ENDED:
        return "The file has ended. Press Space to play it again"
    if shown is None:
        return "Waiting for the first frame…"
    if shown.cube is None and stats.building:
        return f"Preparing {stats.building}… meanwhile this is the raw coded frame"
    if shown.cube is None and stats.engine:
        return f"{stats.engine} makes its first cube… meanwhile this is the raw coded frame"
    if shown.cube is None:
        return "No engine is running: this is the raw coded frame"
    if stats.state is SessionState.RUNNING and stats.engine and shown.cube.engine != stats.engine:
        return f"{stats.engine} makes its first cube… meanwhile this is the last one of {shown.cube.engine}"
    if stats.drift.alarm is not None:
        return alarm_words(stats.drift.alarm)
    return ""
