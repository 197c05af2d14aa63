"""Pictures of apps: whatever comes in, only a small PNG that we encoded ourselves is kept. Pure."""

import io
import warnings

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 512 * 1024
MOST_PIXELS_A_SIDE = 4000
SIDE = 256


def clean(file) -> bytes:
    """Decode an uploaded picture and encode it again, as PNG of at most 256 by 256 pixels.

    Raises ValidationError, with a sentence, for anything but a whole PNG, JPEG or WebP of a sensible size.
    """
    from PIL import Image  # 9 MB in every web process otherwise, of which hardly one sees a logo

    if file.size > MOST_BYTES:
        raise ValidationError(_("The logo is larger than 512 KB. Choose a smaller picture."))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(file, formats=FORMATS)
            if max(picture.size) > MOST_PIXELS_A_SIDE:
                raise ValidationError(
                    _("The logo has more than 4000 pixels a side. Choose a smaller picture.")
                )
            picture.load()
            return _encoded(picture)
    except ValidationError:
        raise
    except Exception:  # a decoder's ways to fail are without number
        raise ValidationError(
            _("The logo is not a PNG, JPEG or WebP picture, or it is damaged.")
        ) from None


def _encoded(picture):
    picture = picture.convert("RGBA")
    picture.thumbnail((SIDE, SIDE))
    png = io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    return png.getvalue()
