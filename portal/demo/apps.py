"""The Generic Apps of the demonstration, with logos that we draw."""

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from connections.functions import FUNCTIONS

RECEIVE = ["GetAccountParties", "GetInboxDocuments", "GetInboxDocument", "GetInboxDocumentStatus"]
SEND = [
    "GetAccountParties",
    "SendDocument",
    "GetOutboxDocuments",
    "GetOutboxDocument",
    "GetOutboxDocumentStatus",
]
BOTH = [name for name in FUNCTIONS if name in {*RECEIVE, *SEND, "SetInboxDocumentStatus"}]


SIDE = 256


@dataclass(frozen=True)
class Package:
    name: str
    description: str
    functions: list[str]
    colour: str
    shape: str
    quick_connect: bool = False
    guide: str = ""
    guide_nl: str = ""
    autopilot_url: str = ""


BOOKS_GUIDE = """\
1. After creating the keys, type the address of the administration and click *Quick Connect*:
   **Koppel Books** opens in a new tab.
2. Press CTRL+V there, look at what it found, and click *Connect*. It tests the keys; this portal
   shows the first call by itself.
3. In the *Installation guide* of Koppel Books set the number series, so that they do not meet
   those of your shop.
"""
BOOKS_GUIDE_NL = """\
1. Typ na het maken van de sleutels het adres van de administratie en klik op *Quick Connect*:
   **Koppel Books** opent in een nieuw tabblad.
2. Druk daar op CTRL+V, kijk wat het vond en klik op *Koppelen*. Het test de sleutels; dit
   portaal toont de eerste aanroep vanzelf.
3. Stel in de *Installatiehulp* van Koppel Books de nummerreeksen in, zodat ze die van je
   webwinkel niet raken.
"""
YUKI_GUIDE = """\
1. In Yuki open **Settings**, then **E-invoicing**.
2. Choose *Connect with Koppel*; a window with one field opens.
3. After creating the keys use *Quick Connect* in this portal and press CTRL+V in that field.
4. Save, then choose *Test connection*.
"""
YUKI_GUIDE_NL = """\
1. Open in Yuki **Instellingen** en dan **E-facturatie**.
2. Kies *Koppelen met Koppel*; er opent een venster met één veld.
3. Gebruik na het maken van de sleutels *Quick Connect* in dit portaal en druk in dat veld op CTRL+V.
4. Sla op en kies *Verbinding testen*.
"""


PACKAGES = [
    Package(
        "Koppel Books",
        "Demonstration bookkeeping",
        BOTH,
        "#2456d6",
        "plug",
        quick_connect=True,
        guide=BOOKS_GUIDE,
        guide_nl=BOOKS_GUIDE_NL,
    ),
    Package(
        "Yuki",
        "Bookkeeping for accountants",
        BOTH,
        "#e2562c",
        "ring",
        quick_connect=True,
        guide=YUKI_GUIDE,
        guide_nl=YUKI_GUIDE_NL,
    ),
    Package("WhiteVision", "Invoice processing", RECEIVE, "#1d8a99", "eye", quick_connect=True),
    Package(
        "Basecone",
        "Document processing for accountants",
        RECEIVE,
        "#7a3fb5",
        "bars",
        quick_connect=True,
    ),
    Package("Exact Globe", "Bookkeeping and ERP", BOTH, "#b3122e", "stripes"),
    Package("Twinfield", "Online bookkeeping", BOTH, "#0f766e", "twins"),
    Package(
        "SnelStart",
        "Bookkeeping for small businesses",
        BOTH,
        "#0b7fc4",
        "arrow",
        autopilot_url="https://autopilot.snelstart.example/invoices",  # nobody is there
    ),
    Package("AFAS Profit", "ERP and payroll", BOTH, "#1b3c87", "stripes"),
    Package("AccountView", "Bookkeeping on your own computer", BOTH, "#8a5a00", "bars"),
    Package("Informer", "Online invoicing", SEND, "#c0267e", "ring"),
    Package("e-Boekhouden.nl", "Bookkeeping for the self-employed", BOTH, "#3b7d1f", "twins"),
    Package("4PS Construct", "ERP for construction", BOTH, "#d97706", "arrow"),
    Package("Payt", "Credit management", SEND, "#4b5563", "eye"),
]


def draw_logo(package: Package) -> bytes:
    """Draw a PNG of 256 by 256 pixels: the initial of the package on its colour, a shape behind it."""
    picture = Image.new("RGB", (SIDE, SIDE), package.colour)
    draw = ImageDraw.Draw(picture, "RGBA")
    _SHAPES[package.shape](draw, (255, 255, 255, 70))
    font = ImageFont.load_default(150)
    draw.text((SIDE / 2, SIDE / 2), package.name[0].upper(), "white", font, anchor="mm")
    corners = Image.new("L", picture.size)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, SIDE - 1, SIDE - 1), radius=52, fill=255)
    picture.putalpha(corners)
    png = io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    return png.getvalue()


_SHAPES = {
    "ring": lambda draw, ink: draw.ellipse((36, 36, 220, 220), outline=ink, width=26),
    "eye": lambda draw, ink: draw.ellipse((28, 78, 228, 178), outline=ink, width=20),
    "bars": lambda draw, ink: [
        draw.rectangle((40 + 64 * i, 190 - 44 * i, 88 + 64 * i, 216), fill=ink) for i in range(3)
    ],
    "stripes": lambda draw, ink: [
        draw.polygon(
            [(60 * i, 256), (60 * i + 30, 256), (60 * i + 130, 0), (60 * i + 100, 0)], fill=ink
        )
        for i in range(3)
    ],
    "twins": lambda draw, ink: [
        draw.ellipse((24 + 84 * i, 66, 148 + 84 * i, 190), fill=ink) for i in range(2)
    ],
    "arrow": lambda draw, ink: draw.polygon([(52, 60), (210, 128), (52, 196), (92, 128)], fill=ink),
    "plug": lambda draw, ink: draw.rounded_rectangle((64, 70, 192, 210), radius=46, fill=ink),
}
