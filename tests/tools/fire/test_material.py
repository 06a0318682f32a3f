import csv
import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import FatalError, RetryableError
from tools.fire.folder import read_folder
from tools.fire.material.__main__ import main
from tools.fire.material.archives import COMMANDS, Commands, fetch, members
from tools.fire.material.fetch import COLUMNS, SIDE_PX_MAX, gather, small
from tools.fire.material.manifest import Archive, read_manifest

_COPY = "import shutil, sys; shutil.copy(sys.argv[1], '.')"


def _png(width: int, height: int, colour: tuple[int, ...] = (10, 120, 240)) -> bytes:
    done, coded = cv2.imencode(".png", np.full((height, width, len(colour)), colour, np.uint8))
    assert done
    return bytes(coded)


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _deb(files: Mapping[str, bytes]) -> bytes:
    parts = {"debian-binary": b"2.0", "control.tar.gz": _tar({}), "data.tar.gz": _tar(files)}
    packed = b"!<arch>\n"
    for name, content in parts.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        packed += header + content + b"\n" * (len(content) % 2)
    return packed


class Registry:
    """A folder that hands out packages as the real clients do: a file in the working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        copy = (sys.executable, "-c", _COPY, str(folder / "{package}_{version}.deb"))
        self.commands: Commands = {"apt": copy, "npm": copy, "pip": copy}

    def hold(self, package: str, content: bytes) -> str:
        (self.folder / f"{package}_1.0.deb").write_bytes(content)
        return hashlib.sha256(content).hexdigest()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def _listed(folder: Path, sha256: str, *rows: str) -> Path:
    folder.mkdir()
    (folder / "archives.yaml").write_text(
        f"archives:\n  - {{name: stalls, client: apt, package: stalls-data, version: '1.0', sha256: '{sha256}', "
        "stated_in: usr/share/doc/stalls-data/copyright}\n",
        encoding="utf-8",
    )
    lines = ["archive,file,licence,credit,label,scene,tags", *rows]
    (folder / "pictures.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


_LAMP = 'stalls,usr/share/stalls/lamp.png,CC0,A. Kim,other,lamp,"lamp,orange"'
_BONFIRE = "stalls,usr/share/stalls/bonfire.png,public-domain,B. Lee,fire,bonfire,open_fire"
_FILES = {
    "./usr/share/stalls/lamp.png": _png(1280, 720),
    "./usr/share/stalls/bonfire.png": _png(320, 240),
    "./usr/share/stalls/unlisted.png": _png(10, 10),
}


def test_a_folder_holds_the_listed_pictures_small_and_labelled(registry: Registry, tmp_path: Path) -> None:
    sha256 = registry.hold("stalls-data", _deb(_FILES))
    manifest = read_manifest(_listed(tmp_path / "list", sha256, _LAMP, _BONFIRE))

    assert gather(manifest, tmp_path / "into", registry.commands) == []

    with (tmp_path / "into" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    lamp, bonfire = rows
    assert lamp["file"] == "images/other/stalls-share-stalls-lamp.jpg"
    assert (lamp["label"], lamp["kind"], lamp["scene"], lamp["licence"]) == ("other", "image", "lamp", "CC0")
    assert (lamp["source"], lamp["notes"], lamp["tags"]) == ("apt:stalls-data 1.0", "A. Kim", "lamp,orange")
    assert (lamp["width"], lamp["height"]) == (str(SIDE_PX_MAX), "360")
    assert (bonfire["label"], bonfire["width"], bonfire["height"]) == ("fire", "320", "240")
    content = (tmp_path / "into" / lamp["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith(lamp["sha256"])
    assert not list((tmp_path / "into").rglob("*unlisted*"))


def test_the_trainer_reads_the_folder_and_refuses_no_row(registry: Registry, tmp_path: Path) -> None:
    sha256 = registry.hold("stalls-data", _deb(_FILES))
    gather(read_manifest(_listed(tmp_path / "list", sha256, _LAMP, _BONFIRE)), tmp_path / "into", registry.commands)

    folder = read_folder(tmp_path / "into")

    assert [row.is_fire for row in folder.rows] == [False, True]
    assert not folder.refused


def test_a_run_that_was_broken_off_goes_on_without_fetching_again(registry: Registry, tmp_path: Path) -> None:
    sha256 = registry.hold("stalls-data", _deb(_FILES))
    manifest = read_manifest(_listed(tmp_path / "list", sha256, _LAMP, _BONFIRE))
    gather(manifest, tmp_path / "into", registry.commands)
    lamp = tmp_path / "into" / manifest.pictures[0].target
    lamp.unlink()
    (registry.folder / "stalls-data_1.0.deb").unlink()

    assert gather(manifest, tmp_path / "into", registry.commands) == []
    assert lamp.is_file()


def test_a_changed_archive_is_refused_and_labels_name_only_what_is_there(registry: Registry, tmp_path: Path) -> None:
    registry.hold("stalls-data", _deb(_FILES))
    manifest = read_manifest(_listed(tmp_path / "list", "0" * 64, _LAMP))

    (failure,) = gather(manifest, tmp_path / "into", registry.commands)

    assert "stalls-data 1.0 has the SHA-256" in failure
    assert (tmp_path / "into" / "labels.csv").read_text(encoding="utf-8").splitlines() == [",".join(COLUMNS)]
    assert not list((tmp_path / "into" / "archives").iterdir())


def test_a_picture_that_the_archive_lacks_is_named(registry: Registry, tmp_path: Path) -> None:
    sha256 = registry.hold("stalls-data", _deb({}))
    manifest = read_manifest(_listed(tmp_path / "list", sha256, _LAMP))

    assert gather(manifest, tmp_path / "into", registry.commands) == [
        "stalls holds no usr/share/stalls/lamp.png; take that line out of pictures.csv"
    ]


def _archive(sha256: str) -> Archive:
    return Archive(name="stalls", client="pip", package="stalls-data", version="1.0", sha256=sha256, stated_in="README")


def test_a_client_that_fails_or_is_not_installed_says_so_in_one_sentence(tmp_path: Path) -> None:
    fails = {"pip": (sys.executable, "-c", "import sys; sys.exit('no such package')")}
    with pytest.raises(RetryableError, match=r"could not fetch stalls-data 1\.0: no such package; try again"):
        fetch(_archive("0" * 64), tmp_path, fails)
    with pytest.raises(FatalError, match=r"no-such-client is not installed, so stalls-data 1\.0 cannot be fetched"):
        fetch(_archive("0" * 64), tmp_path, {"pip": ("no-such-client",)})


def test_wheels_and_npm_packages_open_as_debian_packages_do(tmp_path: Path) -> None:
    files = {"package/a.jpg": b"one", "package/b.jpg": b"two"}
    wanted = frozenset({"package/b.jpg"})
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    tarball, debian, broken = tmp_path / "a.tgz", tmp_path / "a.deb", tmp_path / "broken"
    tarball.write_bytes(_tar(files))
    debian.write_bytes(_deb({f"./{name}": content for name, content in files.items()}))
    broken.write_bytes(b"no package")

    assert [list(members(path, wanted)) for path in (wheel, tarball, debian)] == [[("package/b.jpg", b"two")]] * 3
    with pytest.raises(FatalError, match="no package that can be opened"):
        list(members(broken, wanted))


def test_a_hard_link_in_a_package_is_the_file_it_names(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("a.jpg")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"one"))
        link = tarfile.TarInfo("b.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, "a.jpg"
        tar.addfile(link)
    path = tmp_path / "a.tgz"
    path.write_bytes(buffer.getvalue())

    assert list(members(path, frozenset({"b.jpg"}))) == [("b.jpg", b"one")]


def test_see_through_grey_and_sixteen_bit_pictures_become_colour() -> None:
    clear = cv2.imdecode(np.frombuffer(small(_png(20, 20, (0, 0, 255, 0)), "x"), np.uint8), cv2.IMREAD_COLOR)
    done, grey = cv2.imencode(".png", np.full((20, 20), 51200, np.uint16))
    deep = cv2.imdecode(np.frombuffer(small(bytes(grey), "x"), np.uint8), cv2.IMREAD_COLOR)

    assert done
    assert clear is not None
    assert deep is not None
    assert np.abs(clear.astype(int) - 127).max() <= 3
    assert np.abs(deep.astype(int) - 200).max() <= 3
    with pytest.raises(FatalError, match="x cannot be read as a picture"):
        small(b"no picture", "x")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("stalls,a.png,CC-BY-SA-4.0,A,other,a,", "may not learn from the licence 'CC-BY-SA-4.0'"),
        ("stalls,a.png,,A,other,a,", "may not learn from the licence ''"),
        ("stalls,a.png,CC0,A,smoke,a,", "the label 'smoke' is not fire or other"),
        ("elsewhere,a.png,CC0,A,other,a,", "'elsewhere' is not in archives.yaml"),
        ("stalls,a.png,CC0,,other,a,", "file, credit and scene must not be empty"),
        ("stalls,a.png,CC0,A,other,a,\nstalls,a.jpg,CC0,A,other,b,", "would both become"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place(row: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=said):
        read_manifest(_listed(tmp_path / "list", "0" * 64, row))


def test_a_wrong_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"archives\.0\.sha256.*correct that entry"):
        read_manifest(_listed(tmp_path / "list", "abc"))
    with pytest.raises(FatalError, match="cannot be read"):
        read_manifest(tmp_path / "nowhere")


def test_the_command_counts_what_is_there_and_fails_when_something_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = _listed(tmp_path / "list", "0" * 64, _LAMP)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["--into", str(tmp_path / "into"), "--list", str(listed)]) == 1

    said = capsys.readouterr()
    assert "apt-get is not installed, so stalls-data 1.0 cannot be fetched; install it" in said.err
    assert "0 of 1 pictures" in said.out


def test_the_shipped_list_is_whole_and_every_archive_is_used() -> None:
    manifest = read_manifest()

    assert len(manifest.pictures) >= 200
    assert all(manifest.of(archive) for archive in manifest.archives)
    assert {archive.client for archive in manifest.archives} <= set(COMMANDS)
    assert len({picture.scene for picture in manifest.pictures}) == len(manifest.pictures)
