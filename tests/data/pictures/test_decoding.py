"""Opening images: every mode gives the same grey digit, every bad file a sentence, and nothing else is raised."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from helpers.data.pictures import decoding
from helpers.data.pictures.decoding import Unreadable, read_image

HEIGHT, WIDTH = 40, 30


def digit():
    """A lopsided 7, dark on light, uint8 (40, 30)."""
    page = np.full((HEIGHT, WIDTH), 235, np.uint8)
    page[5:9, 4:24] = 20
    page[9:35, 19:23] = 20
    return page


def save(path, image, **options):
    image.save(path, **options)
    return path


def grey_image():
    return Image.fromarray(digit())


READABLE = {
    "grey.png": lambda p: save(p, grey_image()),
    "grey.pgm": lambda p: save(p, grey_image()),
    "grey.bmp": lambda p: save(p, grey_image()),
    "grey.gif": lambda p: save(p, grey_image()),
    "colour.png": lambda p: save(p, grey_image().convert("RGB")),
    "colour.webp": lambda p: save(p, grey_image().convert("RGB"), lossless=True),
    "palette.png": lambda p: save(p, grey_image().convert("P")),
    "cmyk.tif": lambda p: save(p, Image.merge("CMYK", [Image.new("L", (WIDTH, HEIGHT))] * 3 + [invert(grey_image())])),
    "cmyk.jpg": lambda p: save(p, grey_image().convert("RGB").convert("CMYK"), quality=95),
    "grey.jpg": lambda p: save(p, grey_image(), quality=95),
    "16-bit.png": lambda p: save(p, Image.fromarray(digit().astype(np.uint16) * 257)),
    "16-bit.tif": lambda p: save(p, Image.fromarray(digit().astype(np.uint16) * 257)),
    "32-bit.tif": lambda p: save(p, Image.fromarray(digit().astype(np.int32) * 257)),
    "float.tif": lambda p: save(p, Image.fromarray(digit().astype(np.float32) / 255)),
    "lab.tif": lambda p: save(p, Image.merge("LAB", [grey_image(), *[Image.new("L", (WIDTH, HEIGHT), 128)] * 2])),
    "opaque.png": lambda p: save(p, grey_image().convert("RGBA")),
    "compressed.tif": lambda p: save(p, grey_image(), compression="tiff_lzw"),
    "wrong_name.txt": lambda p: save(p, grey_image(), format="PNG"),
}


def invert(image):
    return Image.eval(image, lambda value: 255 - value)


@pytest.mark.parametrize("name", READABLE)
def test_every_kind_of_image_gives_the_same_grey_values(name, tmp_path):
    grey = read_image(READABLE[name](tmp_path / name))
    assert grey.dtype == np.float32
    np.testing.assert_allclose(grey, digit(), atol=12 if name.endswith((".jpg", "cmyk.tif")) else 1.5)


def test_one_bit(tmp_path):
    grey = read_image(save(tmp_path / "x.png", grey_image().convert("1", dither=Image.Dither.NONE)))
    assert np.array_equal(grey, np.where(digit() > 128, 255, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_honoured(orientation, tmp_path):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that stores a picture so oriented
    stored = grey_image() if orientation == 1 else grey_image().transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    grey = read_image(save(tmp_path / "x.png", stored, exif=exif))
    assert grey.shape == (HEIGHT, WIDTH)
    np.testing.assert_allclose(grey, digit(), atol=1)


def test_damaged_exif_data_does_not_hide_the_picture(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12" + bytes(range(200))
    grey = read_image(save(tmp_path / "x.jpg", grey_image(), exif=exif, quality=95))
    np.testing.assert_allclose(grey, digit(), atol=12)


@pytest.mark.parametrize(("ink", "paper"), [(10, 255), (240, 0)])
def test_ink_on_nothing_is_laid_on_paper_it_shows_on(ink, paper, tmp_path):
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., :3] = 77  # hidden: must not matter
    pixels[digit() < 128] = (ink, ink, ink, 255)
    grey = read_image(save(tmp_path / "x.png", Image.fromarray(pixels)))
    assert np.array_equal(grey, np.where(digit() < 128, ink, paper))


def test_holes_in_paper_are_filled_with_paper(tmp_path):
    pixels = np.dstack([digit()] * 3 + [np.full((HEIGHT, WIDTH), 255, np.uint8)])
    pixels[:5, :5, 3] = 0
    pixels[:5, :5, :3] = 0
    np.testing.assert_allclose(read_image(save(tmp_path / "x.png", Image.fromarray(pixels))), digit(), atol=1)


@pytest.mark.parametrize(
    ("paper", "ink", "least"),
    [((0, 130, 0), (255, 0, 0), 120), ((200, 0, 200), (0, 141, 0), 120)],  # the same luminance, to 0.2
    ids=["red on green", "green on purple"],
)
def test_ink_that_differs_in_colour_only_is_seen(tmp_path, paper, ink, least):
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[...] = paper
    pixels[digit() < 128] = ink
    grey = read_image(save(tmp_path / "x.png", Image.fromarray(pixels)))
    assert abs(grey[6, 10] - grey[0, 0]) > least


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "one coloured pixel"])
def test_each_of_the_256_greys_is_its_channel_to_the_bit(kind):
    """Whatever the processor: weights that sum to 1 need not do so once a BLAS has added up the products."""
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = np.dstack([greys] * 3)
    if kind == "RGBA":
        pixels = np.dstack([pixels, np.full((16, 16), 255, np.uint8)])
    coloured = kind == "one coloured pixel"
    if coloured:
        pixels[7, 9] = (200, 40, 90)
    found = decoding.to_grey(Image.fromarray(pixels))
    assert found.dtype == np.float32
    expected = greys.astype(np.float32)
    if coloured:
        assert found[7, 9] == pytest.approx((299 * 200 + 587 * 40 + 114 * 90) / 1000, rel=1e-6)
        expected[7, 9] = found[7, 9]
    assert np.array_equal(found, expected)


def png(width, height, *, rows=0):
    """A PNG that says it is width x height, 8-bit grey, with `rows` rows (whole hundreds) of zeros."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    # All the rows together can be 400 MB, seconds to compress: a hundred of them, flushed, make a piece to repeat.
    deflate = zlib.compressobj(9, wbits=-15)
    piece = deflate.compress(bytes((width + 1) * 100)) + deflate.flush(zlib.Z_FULL_FLUSH) if rows else b""
    total = (width + 1) * (rows // 100 * 100)
    adler = struct.pack(">HH", total % 65521, 1)
    data = zlib.compress(b"", 9)[:2] + piece * (rows // 100) + b"\x03\x00" + adler
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encoded(kind, image=None, **options):
    buffer = io.BytesIO()
    (image or grey_image()).save(buffer, format=kind, **options)
    return buffer.getvalue()


def animation(kind):
    frames = [grey_image(), invert(grey_image())]
    return encoded(kind, frames[0], save_all=True, append_images=frames[1:], duration=100)


def mangled(data, at=60, n=400):
    noise = np.random.default_rng(0).integers(0, 256, n).astype(np.uint8).tobytes()
    return data[:at] + noise + data[at + n :]


BAD = {
    "empty": (b"", "0 bytes"),
    "text": (b"hello\n" * 30, "not an image"),
    "zip": (b"PK\x03\x04" + bytes(100), "not an image"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "not an image"),
    "truncated png": (encoded("PNG")[:90], "damaged"),
    "truncated jpeg": (encoded("JPEG", quality=95)[:400], "damaged"),
    "truncated tiff": (encoded("TIFF")[:300], "damaged"),
    "truncated pgm": (encoded("PPM")[:500], "damaged"),
    "header only": (b"\x89PNG\r\n\x1a\n", "not an image|damaged"),
    "mangled png": (mangled(encoded("PNG")), "damaged|not an image"),
    "mangled gif": (mangled(encoded("GIF"), at=10), "damaged|not an image|tone|animation"),
    "20,000 x 20,000": (png(20_000, 20_000, rows=20_000), r"20,000 x 20,000 pixels; at most 50,000,000"),
    "2 billion wide": (png(2**31 - 1, 2**31 - 1), "pixels; at most|damaged"),
    "animated gif": (animation("GIF"), "animation.*2"),
    "animated png": (animation("PNG"), "animation.*2"),
    "two pages": (encoded("TIFF", save_all=True, append_images=[invert(grey_image())]), "pages.*2"),
    "not numbers": (encoded("TIFF", Image.fromarray(np.full((9, 9), np.nan, np.float32))), "not numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_words(name, tmp_path):
    data, message = BAD[name]
    path = tmp_path / "x.png"
    path.write_bytes(data)
    if name == "mangled gif":  # may still decode to something; it must not raise anything else
        try:
            read_image(path)
        except Unreadable:
            return
    else:
        with pytest.raises(Unreadable, match=message) as caught:
            read_image(path)
        assert "\n" not in str(caught.value)


def test_what_is_no_file(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for name, message in (("fifo", "not a file"), ("broken", "no such file"), ("none", "no such"), (".", "folder")):
        with pytest.raises(Unreadable, match=message):
            read_image(tmp_path / name)


def test_any_cut_of_a_file_is_read_or_refused(tmp_path):
    path = tmp_path / "x"
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"):
        data = encoded(kind)
        for cut in range(0, len(data), max(1, len(data) // 25)):
            path.write_bytes(data[:cut])
            try:
                read_image(path)
            except Unreadable:
                continue


def test_a_large_image_is_averaged_down(tmp_path):
    big = np.kron(digit(), np.ones((40, 40), np.uint8))
    grey = read_image(save(tmp_path / "x.png", Image.fromarray(big)))
    assert max(grey.shape) <= decoding.WORKING_SIDE
    back = np.asarray(Image.fromarray(grey).resize((WIDTH, HEIGHT), Image.Resampling.BOX))
    assert np.abs(back - digit()).mean() < 4
    array = decoding.shrink(big.astype(np.float32))
    assert array.shape == grey.shape
    np.testing.assert_allclose(array, grey, atol=1)
