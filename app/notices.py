"""What is said calmly over the picture while there is something to wait for or to do."""

from livecassi.app.session import Result, SessionState, SessionStats


def notice(stats: SessionStats, shown: Result | None) -> str:
    """One line about the session, given what is on the screen; empty where all is well."""
    if stats.state is SessionState.FAILED:
        return "No frames: the source failed. Press Space to start it again"
    if stats.state is SessionState.ENDED:
        return f"The file has ended after {stats.frames} frames. Press Space to play it again"
    if shown is None:
        return "Waiting for the first frame…"
    if shown.cube is None and stats.building:
        return f"Preparing {stats.building}… meanwhile this is the raw coded frame"
    if shown.cube is None and not stats.engine:
        return "No engine is running: this is the raw coded frame"
    return ""
