"""Which files of a folder are its images: every real one, once, in one class."""

import os
import socket

import pytest
from PIL import Image

from simclr.data.images.find import class_folders, find_images
from simclr.data.images.image_folder import ImageFolder
from simclr.errors import InputError


@pytest.fixture
def photos(tmp_path):
    """photos/ with frog/1.png, frog/2.png and ship/1.png."""
    for name in ("frog/1.png", "frog/2.png", "ship/1.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(name.encode())
    return tmp_path / "photos"


REAL = ["frog/1.png", "frog/2.png", "ship/1.png"]


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("all", "."),
        ("frog/up", ".."),
        ("frog/self", "."),
        ("ship/deep/down/root", "../../.."),
        ("ship/above", "../.."),
        ("ship/slash", "/"),
        ("frog/3.png", "1.png"),
        ("frog/again/3.png", "../2.png"),
        ("frog/chain.png", "3.png"),
    ],
)
def test_links_to_what_is_there_add_nothing(photos, where, target):
    link(photos / "frog" / "3.png", "1.png") if where == "frog/chain.png" else None
    link(photos / where, target)
    assert find_images(photos) == REAL


def test_two_folders_that_lead_to_each_other(tmp_path):
    for name in ("a/in/1.png", "a/b/2.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        (tmp_path / "photos" / name).touch()
    link(tmp_path / "photos/a/in/x", "../b")
    link(tmp_path / "photos/a/b/y", "../in")
    assert find_images(tmp_path / "photos") == ["a/b/2.png", "a/in/1.png"]


def test_links_to_elsewhere_are_followed(photos):
    pool = photos.parent / "pool"
    (pool / "inner").mkdir(parents=True)
    for name in ("7", "8.png", "inner/9.png"):
        (pool / name).touch()
    link(photos / "ship" / "7.png", "../../pool/7")
    link(photos / "pool", "../pool")
    assert find_images(photos) == [*REAL[:2], "pool/8.png", "pool/inner/9.png", "ship/1.png", "ship/7.png"]
    link(photos.parent / "door", "photos")
    assert find_images(photos.parent / "door") == find_images(photos)


def test_one_file_elsewhere_is_listed_once_whatever_leads_to_it(photos):
    (photos.parent / "x.png").touch()
    for name in ("ship/a.png", "ship/b.png"):
        link(photos / name, "../../x.png")
    assert find_images(photos) == [*REAL, "ship/a.png"]


def test_a_link_through_a_folder_that_is_a_link(photos):
    (photos.parent / "pool").mkdir()
    (photos.parent / "pool" / "x.png").touch()
    link(photos.parent / "door", "pool")
    link(photos / "ship" / "a.png", "../../door/x.png")
    link(photos / "ship" / "b.png", str(photos.parent / "pool" / "x.png"))
    assert find_images(photos) == [*REAL, "ship/a.png"]
    link(photos / "frog" / "c.png", "../ship/b.png")
    with pytest.raises(InputError, match="one file in two class folders, "):
        find_images(photos)


@pytest.mark.parametrize(
    ("where", "target", "pair"),
    [
        ("toad", "frog", "frog/1.png and {}/toad/1.png"),
        ("toad/1.png", "../frog/1.png", "frog/1.png and {}/toad/1.png"),
        ("ship/amphibia", "../frog", "frog/1.png and {}/ship/amphibia/1.png"),
    ],
)
def test_one_file_in_two_classes_is_refused(photos, where, target, pair):
    link(photos / where, target)
    with pytest.raises(InputError) as caught:
        find_images(photos)
    assert f"{photos}/{pair.format(photos)} are one file in two class folders, frog and " in str(caught.value)


def test_two_class_folders_for_a_folder_elsewhere(photos):
    (photos.parent / "pool").mkdir()
    (photos.parent / "pool" / "1.png").touch()
    link(photos / "a", "../pool")
    link(photos / "b", "../pool")
    with pytest.raises(InputError, match="one file in two class folders, a and b"):
        find_images(photos)


def test_hard_links(photos):
    os.link(photos / "frog/2.png", photos / "frog/0.png")
    assert find_images(photos) == ["frog/0.png", "frog/1.png", "ship/1.png"]
    link(photos / "frog" / "9.png", "2.png")
    assert find_images(photos) == ["frog/0.png", "frog/1.png", "ship/1.png"]
    os.link(photos / "frog/2.png", photos / "ship/2.png")
    with pytest.raises(InputError, match=r"frog/0\.png and .*/ship/2\.png are one file in two class folders"):
        find_images(photos)


def test_without_class_folders_a_link_to_an_image_is_no_mistake(photos):
    (photos / "0.png").touch()
    link(photos / "best" / "1.png", "../frog/1.png")
    assert find_images(photos) == ["0.png", *REAL]
    assert class_folders(find_images(photos)) == []


@pytest.mark.parametrize("name", ["x.png", "frog/x.JPG"])
def test_what_cannot_be_read_to_its_end(photos, name):
    os.mkfifo(photos / name)
    with pytest.raises(InputError, match=r"is a named pipe \(FIFO\) and no image that can be read: remove it"):
        ImageFolder(photos)
    os.unlink(photos / name)
    link(photos / name, "/dev/zero")
    with pytest.raises(InputError, match="is a link to a device"):
        ImageFolder(photos)
    os.unlink(photos / name)
    for target in ("nowhere.png", os.path.basename(name)):
        link(photos / name, target)
        with pytest.raises(InputError, match="is a link to a file that does not exist"):
            ImageFolder(photos)
        os.unlink(photos / name)
    with socket.socket(socket.AF_UNIX) as server:
        old = os.getcwd()
        os.chdir((photos / name).parent)  # the name of a socket may not be long
        server.bind(os.path.basename(name))
        os.chdir(old)
        with pytest.raises(InputError, match="is a socket"):
            ImageFolder(photos)


def test_folders_called_like_images_and_other_files_are_passed_over(photos):
    (photos / "frog" / "album.png").mkdir()
    (photos / "frog" / "album.png" / "4.png").touch()
    (photos / ".git").mkdir()
    (photos / ".git" / "5.png").touch()
    os.mkfifo(photos / "pipe")
    link(photos / "notes", "nowhere")
    assert find_images(photos) == ["frog/1.png", "frog/2.png", "frog/album.png/4.png", "ship/1.png"]


def test_a_folder_that_may_not_be_looked_into(photos, monkeypatch):
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("ship"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"photos/ship cannot be looked into \(Permission denied\)"):
        find_images(photos)


def test_files_of_other_endings_are_counted_and_said(tmp_path):
    for name in ("a/0.png", "a/1.gif", "b/2.png", "b/3.GIF", "b/notes.txt", "b/.hidden.gif", "b/README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4), 7).save(tmp_path / name, "PNG")
    source = ImageFolder(tmp_path)
    assert source.files == ["a/0.png", "b/2.png"]
    (note,) = source.load().notes
    assert note.endswith("are left out: 2 of .gif, 1 of none, 1 of .txt")
