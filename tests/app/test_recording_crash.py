"""What a killed or starved program leaves behind: real processes, really killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livecassi.app.recording import Recording, RecordingState

# Records noise that follows from the frame number and says, for every frame, when it is on the disk.
CHILD = """
import sys, threading, time
from pathlib import Path
import numpy as np
from livecassi.app.recording import Recorder, RecordingOptions
from livecassi.drivers import Frame, SourceInfo, SourceSettings

folder, compress, limit = Path(sys.argv[1]), sys.argv[2] == "1", int(sys.argv[3])
source = SourceInfo("prototype", "child", "", (64, 91), 16)
options = RecordingOptions(compress=compress, segment_seconds=0.15)
recorder = Recorder(folder, source, SourceSettings(), None, None, options)
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # the file system refuses to grow a file further
writer = threading.Thread(target=recorder.run)
writer.start()
said = 0
for index in range(4000):
    pixels = np.random.default_rng(index).integers(0, 65536, (64, 91), np.uint16)
    while not recorder.append(Frame(pixels, index, index, bit_depth=16), block=True) and not recorder.stats.error:
        pass
    if recorder.stats.error:
        break
    for said in range(said, recorder.stats.frames_written):
        print(said + 1, flush=True)
        said += 1
recorder.finish()
writer.join()
print("end", recorder.stats.frames_written, recorder.stats.dropped, recorder.stats.error, flush=True)
"""


def child(folder: Path, compress: bool, limit: int = 0) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(int(compress)), str(limit)], stdout=subprocess.PIPE, text=True
    )


def check_frames(found: Recording) -> None:
    for position in range(len(found)):
        frame = found.frame(position)
        expected = np.random.default_rng(position).integers(0, 65536, (64, 91), np.uint16)
        assert frame.index == position
        assert np.array_equal(frame.pixels, expected)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is needed")
@pytest.mark.parametrize("compress", [True, False])
def test_after_kill_9_every_acknowledged_frame_can_be_read(tmp_path: Path, compress: bool) -> None:
    folder = tmp_path / "r"
    with child(folder, compress) as running:
        assert running.stdout is not None
        acknowledged = 0
        try:
            while acknowledged < 40 or not (folder / "raw_00002.h5").exists():
                acknowledged = int(running.stdout.readline())
                if acknowledged == 20:  # another process looks while it grows
                    with Recording(folder) as growing:
                        assert len(growing) >= 20
                        check_frames(growing)
        finally:
            os.kill(running.pid, signal.SIGKILL)
        rest = running.stdout.read().split("\n")[:-1]
        acknowledged = int(rest[-1]) if rest else acknowledged
    assert running.returncode == -signal.SIGKILL
    with Recording(folder) as found:
        assert len(found) >= acknowledged
        check_frames(found)
        report = found.describe()
    assert report.state is RecordingState.RUNNING
    assert not report.complete
    assert report.segments >= 3
    assert report.gaps == []
    assert report.damaged == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the size of a file are needed")
def test_a_disk_that_refuses_to_write_ends_the_recording_and_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with child(folder, compress=False, limit=300_000) as running:
        assert running.stdout is not None
        lines = running.stdout.read().split("\n")
    assert running.returncode == 0
    _, written, dropped, error = lines[-2].split(" ", 3)
    assert "which are kept" in error
    assert "check the disk" in error
    assert 20 <= int(written) < 300
    with Recording(folder) as found:
        assert len(found) >= int(written)
        check_frames(found)
        report = found.describe()
    assert report.state is RecordingState.FAILED
    assert report.failure == error
    assert 1 <= report.dropped <= int(dropped)  # later frames were refused after session.json was written
    assert "File too large" in error
