"""Open an image file and return its grey values; whatever cannot be read is refused in words.

Files come from anywhere, so only plain picture formats are tried (nothing that starts another program), the size is
looked at before anything is unpacked, and no damage in a file may cost more than that file.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, WebPImagePlugin

FORMATS = ("PNG", "JPEG", "TIFF", "PPM", "BMP", "GIF", "WEBP")
_PLUGINS = (TiffImagePlugin, WebPImagePlugin)  # importing them makes them known; the others are
MAX_PIXELS = 50_000_000  # unpacked: 200 MB at four bytes a pixel
MAX_BYTES = 200_000_000  # of the file
WORKING_SIDE = 512  # pixels; larger images are averaged down to at most this

Image.MAX_IMAGE_PIXELS = None  # the limit is ours, looked at before decoding


class Unreadable(Exception):
    """The file holds no image that can be read; the message says why, for the reader of the table."""


def read_image(path: str | Path) -> np.ndarray:
    """Return the image in a file as grey values, float32 (h, w) in 0..255, the longer side at most 512.

    EXIF rotation is honoured, transparency laid over paper, colour turned into the grey in which it shows best.
    Raises Unreadable, and nothing else, for whatever is wrong with the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(Path(path))
    except Unreadable:
        raise
    except OSError as error:
        if error.errno is not None:
            raise Unreadable(f"cannot be opened: {error.strerror}") from error
        raise Unreadable(f"damaged or cut short: {_first_line(error)}") from error
    except MemoryError as error:
        raise Unreadable("there is not enough memory to unpack it") from error
    except Exception as error:  # a decoder given damaged bytes can raise anything
        raise Unreadable(f"damaged: {_first_line(error)}") from error


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        if path.is_dir():
            raise Unreadable("a folder that cannot be listed")
        raise Unreadable("not a file" if path.exists() else "there is no such file")
    size = path.stat().st_size
    if not size:
        raise Unreadable("the file is empty (0 bytes)")
    if size > MAX_BYTES:
        raise Unreadable(f"{size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.UnidentifiedImageError:
        raise Unreadable(f"not an image, or a damaged one (read are {', '.join(FORMATS)})") from None
    with image:
        width, height = image.size
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a photo and its preview
        if frames > 1:
            raise Unreadable(f"an animation or several pages ({frames} of them); a single image is expected")
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (2 * WORKING_SIDE, 2 * WORKING_SIDE))  # unpacks at a half, quarter or eighth
        if image.size[0] * image.size[1] > MAX_PIXELS:
            raise Unreadable(f"{width:,} x {height:,} pixels; at most {MAX_PIXELS:,} in all are read")
        image.load()
        return to_grey(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    """Turn a photo as its EXIF data says; data that is itself damaged says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the parser of EXIF data raises whatever the damage makes it raise
        return image


def to_grey(image: Image.Image) -> np.ndarray:
    """Return a Pillow image of any mode as grey values, float32 (h, w) in 0..255, longer side at most 512."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return shrink(_wide(np.asarray(image)))
    if mode == "P" or "transparency" in image.info or mode == "PA":
        image = image.convert("RGBA")
    elif mode == "LAB":
        image = image.getchannel("L")
    elif mode not in ("1", "L", "LA", "RGB", "RGBA", "La", "RGBa"):
        image = image.convert("RGB")  # CMYK, YCbCr, HSV
    if mode == "1":
        image = image.convert("L")
    factor = -(-max(image.size) // WORKING_SIDE)
    if factor > 1:
        image = image.reduce(factor)
    channels = np.asarray(image, np.float32)
    if channels.ndim == 2:
        return channels
    alpha = channels[..., -1] / 255 if image.mode in ("LA", "RGBA", "La", "RGBa") else None
    colours = channels if alpha is None else channels[..., :-1]
    grey = colours[..., 0] if colours.shape[-1] == 1 else _best_grey(colours)
    return grey if alpha is None or alpha.min() == 1 else _on_paper(grey, alpha)


def _wide(values: np.ndarray) -> np.ndarray:
    """Bring 16-bit, 32-bit and floating-point pixels to 0..255."""
    if values.dtype == np.uint16:
        return values.astype(np.float32) / 257
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise Unreadable("some pixels are not numbers")
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return values * 255
    if low >= 0 and high <= 255:
        return values
    if low >= 0 and high <= 65535:
        return values / 257
    return (values - low) * (255 / max(high - low, 1e-30))


def _best_grey(colours: np.ndarray) -> np.ndarray:
    """Return luminance (ITU-R BT.601), or the one of red, green and blue that shows clearly more than it does.

    A grey image is its channel, to the bit. Luminance is added up in float64, in this order, as `decoding.js` does it:
    a product of matrices rounds as the processor's BLAS likes, and 240 then is 239.99998 on some.
    """
    red, green, blue = np.moveaxis(colours, -1, 0)
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red
    wide = colours.astype(np.float64)
    grey = (0.299 * wide[..., 0] + 0.587 * wide[..., 1] + 0.114 * wide[..., 2]).astype(np.float32)
    spread = colours.std(axis=(0, 1), dtype=np.float64)
    best = int(np.argmax(spread))
    return colours[..., best] if spread[best] > 2 * grey.std(dtype=np.float64) else grey


def _on_paper(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay a partly transparent image over paper that it shows up against.

    Where most is transparent, what is visible is taken for ink, and the paper is white or black, whichever is
    further from it. Where most is visible, paper is visible too, and the holes get its value (the median).
    """
    visible = alpha > 0.5
    if visible.mean() > 0.5:
        paper = float(np.median(grey[visible]))
    else:
        ink = float(grey[visible].mean()) if visible.any() else 0.0
        paper = 255.0 if ink < 128 else 0.0
    return grey * alpha + paper * (1 - alpha)


def shrink(values: np.ndarray, side: int = WORKING_SIDE) -> np.ndarray:
    """Average square blocks of pixels so that the longer side is at most `side`; float32 (h, w)."""
    values = np.ascontiguousarray(values, np.float32)
    factor = -(-max(values.shape) // side)
    return values if factor == 1 else np.asarray(Image.fromarray(values).reduce(factor))


def _first_line(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:200]
