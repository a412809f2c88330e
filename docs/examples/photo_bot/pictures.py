"""What the studio does to pictures: JPEG bytes in, JPEG bytes out."""

import io
import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageFilter, ImageOps


def restore(picture: Image.Image) -> Image.Image:
    """Take dust and fading off an old photo."""
    return ImageOps.autocontrast(picture.filter(ImageFilter.MedianFilter(3)), cutoff=1).filter(ImageFilter.SHARPEN)


def sketch(picture: Image.Image) -> Image.Image:
    """Draw it in pencil: its grey divided by its blurred negative."""
    grey = ImageOps.grayscale(picture)
    blurred = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(8))
    return ImageChops.screen(grey, blurred).filter(ImageFilter.UnsharpMask(2))


def sepia(picture: Image.Image) -> Image.Image:
    """Tone it brown."""
    return ImageOps.colorize(ImageOps.grayscale(picture), black="#1e140a", mid="#96703f", white="#fff2d6")


def upscale(picture: Image.Image) -> Image.Image:
    """Make it twice as wide and high."""
    return picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.LANCZOS)


FEATURES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "restore": restore, "sketch": sketch, "sepia": sepia, "upscale": upscale,
}  # fmt: skip


def opened(data: bytes) -> Image.Image:
    """Decode a picture; raises OSError if it is none."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture.convert("RGB")


def saved(picture: Image.Image, kind: str = "JPEG", **options: int) -> bytes:
    """Encode a picture."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def apply(feature: str, photo: bytes) -> bytes:
    """Do all of it to an encoded picture."""
    return saved(FEATURES[feature](opened(photo)))


def old_photo(seed: int, width: int, height: int) -> bytes:
    """Make a picture to try it on: hills under a faded sky, with dust."""
    dice = random.Random(seed)
    sky = Image.linear_gradient("L").resize((width, height))
    dust = Image.effect_noise((width, height), 40)
    hills = Image.radial_gradient("L").resize((width, height)).rotate(dice.randrange(360))
    return saved(Image.merge("RGB", (Image.blend(sky, dust, 0.3), hills, Image.blend(hills, sky, 0.5))), quality=85)
