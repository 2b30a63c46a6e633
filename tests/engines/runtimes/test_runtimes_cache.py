"""The cache of prepared networks: what is made is found, what is damaged is not used, what fails leaves nothing."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livecassi.engines.errors import PreparationCancelledError, PreparationError
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_entry import BUILD_LOG, META, DamagedEntryError, Found
from livecassi.engines.runtimes.cache_folder import CacheError, cannot_write, default_cache_folder
from livecassi.engines.runtimes.preparation import Watched

FIELDS = {"network": "abc", "threads": 2, "share": 0.5}
POSIX = pytest.mark.skipif(not hasattr(os, "getuid"), reason="rights of folders are POSIX's")


@pytest.fixture
def cache(tmp_path: Path) -> ArtefactCache:
    return ArtefactCache(tmp_path / "networks")


def writes(content: bytes, name: str = "blob", calls: list[Path] | None = None) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / name).write_bytes(content)
        if calls is not None:
            calls.append(folder)

    return build


def leftovers(cache: ArtefactCache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir() if path.name not in ("locks", "logs"))


def test_what_was_made_is_found_again_by_the_same_fields_only(cache: ArtefactCache) -> None:
    assert cache.find(FIELDS) is None
    made = cache.make(FIELDS, writes(b"content"))
    assert made.folder.parent == cache.folder
    found = cache.find(dict(reversed(FIELDS.items())))
    assert found == made
    assert found is not None
    assert found.load("blob").tobytes() == b"content"
    assert found.seconds >= 0
    for other in ({**FIELDS, "threads": 3}, {**FIELDS, "threads": "2"}, {**FIELDS, "more": 1}):
        assert cache.find(other) is None


def test_it_is_made_once(cache: ArtefactCache) -> None:
    calls: list[Path] = []
    for _ in range(3):
        cache.make(FIELDS, writes(b"content", calls=calls))
    assert len(calls) == 1
    assert not calls[0].exists()


def test_numbers_that_json_does_not_know_are_refused(cache: ArtefactCache) -> None:
    with pytest.raises(ValueError, match="JSON"):
        cache.find({"share": float("nan")})


def test_a_failed_build_leaves_nothing_but_its_log(cache: ArtefactCache) -> None:
    def build(folder: Path) -> None:
        (folder / "blob").write_bytes(b"half")
        (folder / BUILD_LOG).write_text(" wrong")
        cache.log_of(FIELDS).write_text("it went")
        raise PreparationError("it went wrong")

    with pytest.raises(PreparationError, match="it went wrong"):
        cache.make(FIELDS, build)
    assert leftovers(cache) == []
    assert cache.log_of(FIELDS).read_text() == "it went wrong"
    assert cache.find(FIELDS) is None


def test_the_log_of_a_build_goes_into_the_entry(cache: ArtefactCache) -> None:
    def build(folder: Path) -> None:
        (folder / "blob").write_bytes(b"whole")
        (folder / BUILD_LOG).write_text(" well")
        cache.log_of(FIELDS).write_text("all")

    made = cache.make(FIELDS, build)
    assert (made.folder / BUILD_LOG).read_text() == "all well"
    assert not cache.log_of(FIELDS).exists()
    assert set(made.files) == {"blob"}


def test_few_logs_of_failures_are_kept(cache: ArtefactCache) -> None:
    for number in range(12):
        cache.log_of({"number": number}).write_text("it went wrong")
    assert len(list((cache.folder / "logs").iterdir())) <= 9
    assert cache.log_of({"number": 11}).exists()


def spoil_size(found: Found) -> None:
    (found.folder / "blob").write_bytes(b"conten")


def spoil_presence(found: Found) -> None:
    (found.folder / "blob").unlink()


def spoil_meta(found: Found) -> None:
    (found.folder / META).write_text('{"schema_version": 1')


def spoil_meta_presence(found: Found) -> None:
    (found.folder / META).unlink()


def spoil_meta_words(found: Found) -> None:
    text = (found.folder / META).read_text()
    assert "abc" in text
    (found.folder / META).write_text(text.replace("abc", "abd"))


@pytest.mark.parametrize("spoil", [spoil_size, spoil_presence, spoil_meta, spoil_meta_presence, spoil_meta_words])
def test_a_damaged_entry_is_moved_aside_and_made_anew(
    cache: ArtefactCache, spoil: Callable[[Found], None], caplog: pytest.LogCaptureFixture
) -> None:
    spoil(cache.make(FIELDS, writes(b"content")))
    assert cache.find(FIELDS) is None
    assert leftovers(cache) == ["quarantine"]
    assert "is made anew" in caplog.text
    assert cache.make(FIELDS, writes(b"content")).load("blob").tobytes() == b"content"


def test_bytes_that_changed_are_never_loaded(cache: ArtefactCache) -> None:
    found = cache.make(FIELDS, writes(b"content"))
    (found.folder / "blob").write_bytes(b"c0ntent")
    with pytest.raises(DamagedEntryError, match="changed since it was made"):
        found.load("blob")
    with pytest.raises(DamagedEntryError, match="expected plan"):
        found.load("plan")


def test_what_cannot_be_loaded_is_made_anew_once(cache: ArtefactCache) -> None:
    calls: list[Path] = []
    found = cache.make(FIELDS, writes(b"content"))
    (found.folder / "blob").write_bytes(b"c0ntent")
    loaded = cache.use(FIELDS, writes(b"content", calls=calls), lambda entry: entry.load("blob"))
    assert isinstance(loaded, np.ndarray)
    assert loaded.tobytes() == b"content"
    assert len(calls) == 1

    def refuse(entry: Found) -> bytes:
        raise DamagedEntryError("not for this processor")

    calls.clear()
    with pytest.raises(DamagedEntryError, match="not for this processor"):
        cache.use(FIELDS, writes(b"content", calls=calls), refuse)
    assert len(calls) == 1  # the one that was there was refused, and so was the one made anew


def test_few_are_kept_in_quarantine(cache: ArtefactCache) -> None:
    for number in range(4):
        fields = {"number": number}
        cache.quarantine(cache.make(fields, writes(b"content")), "a test")
        assert cache.find(fields) is None
    assert len(list((cache.folder / "quarantine").iterdir())) == 2


def test_the_least_recently_used_goes_first_and_never_the_newest(tmp_path: Path) -> None:
    cache = ArtefactCache(tmp_path / "networks", limit_bytes=10_000)
    for number in range(3):
        made = cache.make({"number": number}, writes(bytes(2500)))
        os.utime(made.folder / META, (number, number))
    cache.find({"number": 0})
    cache.make({"number": 3}, writes(bytes(2500)))
    assert [number for number in range(4) if cache.find({"number": number})] == [0, 2, 3]
    cache.make({"number": 4}, writes(bytes(25_000)))
    assert [number for number in range(5) if cache.find({"number": number})] == [4]
    assert cache.size() > 10_000
    assert leftovers(cache) == [cache.make({"number": 4}, writes(b"")).key]


def test_what_another_is_making_is_waited_for(cache: ArtefactCache) -> None:
    inside, go_on = threading.Event(), threading.Event()
    said: list[str] = []
    calls: list[Path] = []

    def slowly(folder: Path) -> None:
        inside.set()
        assert go_on.wait(20)
        writes(b"first", calls=calls)(folder)

    def show(doing: str, share: float | None) -> None:
        said.append(doing)
        go_on.set()

    first = threading.Thread(target=lambda: cache.make(FIELDS, slowly), name="livecassi-first")
    first.start()
    try:
        assert inside.wait(20)
        second = ArtefactCache(cache.folder).make(FIELDS, writes(b"second", calls=calls), Watched(show))
    finally:
        go_on.set()
        first.join(20)
    assert second.load("blob").tobytes() == b"first"
    assert len(calls) == 1
    assert "waiting for another" in said[0]


def test_a_wait_can_be_given_up(cache: ArtefactCache) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slowly(folder: Path) -> None:
        inside.set()
        assert go_on.wait(20)

    first = threading.Thread(target=lambda: cache.make(FIELDS, slowly), name="livecassi-first")
    first.start()
    try:
        assert inside.wait(20)
        with pytest.raises(PreparationCancelledError):
            cache.make(FIELDS, writes(b"second"), Watched(lambda doing, share: None, gone=lambda: True))
    finally:
        go_on.set()
        first.join(20)


MAKE_AND_DIE = """
import os, sys
from pathlib import Path
from livecassi.engines.runtimes.cache import ArtefactCache

def build(folder):
    (folder / "blob").write_bytes(b"half")
    os._exit(3)

ArtefactCache(Path(sys.argv[1])).make({"number": int(sys.argv[2])}, build)
"""


def test_what_a_dead_process_left_is_removed(cache: ArtefactCache) -> None:
    for number in (1, 2):
        died = subprocess.run([sys.executable, "-c", MAKE_AND_DIE, str(cache.folder), str(number)], timeout=60)
        assert died.returncode == 3
    remains = leftovers(cache)  # of the second: it removed those of the first
    assert [name.endswith(".part") for name in remains] == [True]
    made = cache.make({"number": 1}, writes(b"whole"))
    assert leftovers(cache) == [made.key]


def test_a_full_disk_is_named_with_what_is_free_and_needed(cache: ArtefactCache) -> None:
    def build(folder: Path) -> None:
        (folder / "blob").write_bytes(bytes(3_000_000))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(PreparationError, match=r"MB free, more than 3\.0 MB needed") as refused:
        cache.make(FIELDS, build)
    assert str(cache.folder) in str(refused.value)
    assert leftovers(cache) == []


def test_what_cannot_be_written_names_the_cache_and_not_an_entry_that_is_being_made(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EROFS):
        error = OSError(number, os.strerror(number))
        told = str(cannot_write(error, tmp_path / "0123.4567.part", 5_000_000))
        assert str(tmp_path) in told
        assert ".part" not in told


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "networks").write_text("in the way")
    with pytest.raises(CacheError, match="LIVECASSI_CACHE"):
        ArtefactCache(tmp_path / "networks").find(FIELDS)
    with pytest.raises(CacheError, match="LIVECASSI_CACHE"):
        ArtefactCache(tmp_path / "networks" / "below").make(FIELDS, writes(b""))


@POSIX
def test_the_folder_is_the_users_alone(cache: ArtefactCache) -> None:
    made = cache.make(FIELDS, writes(b"content"))
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    cache.folder.chmod(0o755)
    with pytest.raises(CacheError, match="chmod 700"):
        cache.find(FIELDS)


@POSIX
def test_the_folder_of_another_user_is_refused(cache: ArtefactCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.make(FIELDS, writes(b"content"))
    own = os.getuid()
    monkeypatch.setattr("os.getuid", lambda: own + 1)
    with pytest.raises(CacheError, match=f"belongs to user {own}, expected {own + 1}"):
        cache.find(FIELDS)


@POSIX
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_only_be_read_still_serves(cache: ArtefactCache) -> None:
    cache.make(FIELDS, writes(b"content"))
    cache.folder.chmod(0o500)
    try:
        found = cache.find(FIELDS)
        assert found is not None
        assert found.load("blob").tobytes() == b"content"
        with pytest.raises(CacheError, match="writable"):
            cache.make({"other": 1}, writes(b""))
    finally:
        cache.folder.chmod(0o700)


def test_a_folder_that_refuses_locks_serves_what_is_there(cache: ArtefactCache) -> None:
    cache.make(FIELDS, writes(b"content"))
    shutil.rmtree(cache.folder / "locks")
    (cache.folder / "locks").write_text("in the way")
    loaded = cache.use(FIELDS, writes(b"anew"), lambda found: found.load("blob"))
    assert loaded.tobytes() == b"content"
    with pytest.raises(CacheError, match=str(cache.folder)):
        cache.make({"other": 1}, writes(b""))


def test_the_folder_can_be_named(tmp_path: Path) -> None:
    assert default_cache_folder({"LIVECASSI_CACHE": str(tmp_path)}) == tmp_path
    assert default_cache_folder({}).name == "networks"
    assert "livecassi" in str(default_cache_folder({}))
