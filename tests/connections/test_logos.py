import io

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from connections import logos


def picture(form, side=(300, 200), **options):
    file = io.BytesIO()
    Image.new("RGB", side, "red").save(file, form, **options)
    return file.getvalue()


def upload(content):
    return SimpleUploadedFile("logo", content)


def with_a_comment():
    exif = Image.Exif()
    exif[0x010E] = "<script>"
    return picture("JPEG", exif=exif)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_a_small_png(form):
    kept = Image.open(io.BytesIO(logos.clean(upload(picture(form)))))

    assert (kept.format, kept.size) == ("PNG", (256, 171))


@pytest.mark.parametrize("content", [with_a_comment(), picture("PNG") + b"<script>"])
def test_nothing_but_the_pixels_is_kept(content):
    assert b"script" not in logos.clean(upload(content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<html><script>alert(1)</script>",
        picture("GIF"),
        picture("TIFF"),
        picture("PNG")[:-40],
        picture("PNG", side=(5000, 10)),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (50_000).to_bytes(4) * 2 + b"\x08\x02\0\0\0",
        b"x" * (512 * 1024 + 1),
    ],
    ids=["empty", "svg", "html", "gif", "tiff", "truncated", "wide", "bomb", "large"],
)
def test_anything_else_is_refused_with_a_sentence(content):
    with pytest.raises(ValidationError) as refused:
        logos.clean(upload(content))

    assert refused.value.messages[0].endswith(".")
