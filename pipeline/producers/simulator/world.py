"""
The little shop's fixed things: what it sells, who works for it, what its pages and its customers' machines are called.

Plain data and nothing else. Every domain ends in `.example` and every telephone number lies in a range that regulators
keep for films and tests, so that nothing here can ever reach a real person.
"""

from typing import Final, NamedTuple

SHOP_URL: Final = "https://shop.alderandoak.example"
CURRENCY: Final = "EUR"


class Product(NamedTuple):
    """Something on the shelf."""

    product_id: str
    name: str
    category: str
    price_minor: int


class Carrier(NamedTuple):
    """
    Who brings the parcels.

    `knows_order` says whether its events name the order beside the shipment; one that does not can be joined through
    the shop's own shipping event only.
    """

    name: str
    share: float
    days: float
    knows_order: bool


class Machine(NamedTuple):
    """A kind of device: what it is, how it names itself and how common it is."""

    kind: str
    user_agent: str
    share: float


class Source(NamedTuple):
    """Where a visit comes from: referrer, campaign tags and how common it is."""

    name: str
    referrer: str
    utm: tuple[str, str, str] | None
    share: float


PRODUCTS: Final = (
    Product("p-101", "Hand coffee mill", "coffee", 8900),
    Product("p-102", "Pour-over set", "coffee", 4450),
    Product("p-103", "Gooseneck kettle", "coffee", 7900),
    Product("p-104", "Espresso beans, 1 kg", "coffee", 2490),
    Product("p-105", "Filter beans, 500 g", "coffee", 1390),
    Product("p-106", "Milk pitcher", "coffee", 2190),
    Product("p-201", "Cast-iron pan", "kitchen", 6900),
    Product("p-202", "Chef's knife", "kitchen", 11900),
    Product("p-203", "Oak chopping board", "kitchen", 4900),
    Product("p-204", "Stoneware bowls, set of four", "kitchen", 3990),
    Product("p-205", "Sourdough basket", "kitchen", 1950),
    Product("p-206", "Kitchen scales", "kitchen", 3490),
    Product("p-301", "Linen apron", "linen", 3900),
    Product("p-302", "Tea towels, set of three", "linen", 1790),
    Product("p-401", "Tasting evening for two", "events", 9800),
)

CARRIERS: Final = (
    Carrier("Swift Parcel", 0.45, 2.0, knows_order=True),
    Carrier("Northern Post", 0.35, 2.6, knows_order=True),
    Carrier("Green Wheels", 0.20, 1.7, knows_order=False),
)

_CHROME: Final = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0"

MACHINES: Final = (
    Machine("desktop", f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36", 0.30),
    Machine(
        "mobile",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Mobile/15E148 Safari/604.1",
        0.26,
    ),
    Machine("mobile", f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36", 0.24),
    Machine(
        "desktop",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Safari/605.1.15",
        0.10,
    ),
    Machine("desktop", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", 0.06),
    Machine("desktop", f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/138.0.0.0", 0.04),
)

APP_AGENT: Final = "AlderOak/4.2 (iPhone; iOS 18.5; Scale/3.00)"
CRAWLER_AGENT: Final = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

SOURCES: Final = (
    Source("organic search", "https://www.google.com/", None, 0.40),
    Source("direct", "", None, 0.20),
    Source("paid search", "https://www.google.com/", ("google", "cpc", "spring-coffee"), 0.14),
    Source("social", "https://www.instagram.com/", None, 0.12),
    Source("newsletter", "", ("newsletter", "email", "monthly-letter"), 0.09),
    Source("price comparison", "https://www.idealo.de/", ("idealo", "referral", "feed"), 0.05),
)

ARTICLES: Final = (
    ("grind-size-explained", "Grind size, explained"),
    ("cast-iron-for-life", "A pan for life: caring for cast iron"),
    ("sourdough-first-week", "Your first week of sourdough"),
    ("sharpen-at-home", "Sharpening a knife at home"),
)

SEARCHES: Final = ("coffee mill", "pan", "knife", "apron", "beans", "kettle", "bread basket", "gift")

FIRST_NAMES: Final = (
    "Ada Amir Anna Ben Bruno Carla Clara Daniel Elif Emil Emma Felix Finn Greta Hanna Ida Ines Jakob Jana Jonas "
    "Julia Karim Lea Lena Leo Lina Lukas Maja Maria Mark Mats Mila Mina Nele Nico Noah Nora Olga Oskar Paul Pia "
    "Rosa Sami Sara Sofia Tara Theo Tom Vera Yusuf"
)

LAST_NAMES: Final = (
    "Adler Bauer Becker Berger Brandt Demir Dietz Engel Fischer Frank Fuchs Graf Haas Hahn Hansen Hoffmann Jansen "
    "Kaya Keller Koch Kowalski Kraus Lang Lehmann Lorenz Martin Maurer Meyer Nguyen Novak Otto Peters Petrov Pohl "
    "Richter Rossi Roth Sauer Schmidt Schubert Seidel Sommer Stein Vogel Wagner Weber Weiss Winkler Wolf Ziegler"
)

CITIES: Final = ("Berlin", "Hamburg", "Köln", "München", "Leipzig", "Wien", "Zürich")

# Ranges kept free for fiction (Bundesnetzagentur, Ofcom): a prefix and three free digits each.
PHONE_RANGES: Final = (
    "+493023125",
    "+496990009",
    "+494066969",
    "+492214710",
    "+498999998",
    "+441134960",
    "+441144960",
    "+441154960",
    "+441164960",
    "+441174960",
    "+441184960",
    "+441214960",
    "+441314960",
    "+441414960",
    "+441514960",
    "+441614960",
    "+441632960",
    "+441914980",
    "+442079460",
    "+447700900",
)

PRAISE: Final = (
    "Arrived quickly and works beautifully.",
    "Exactly as described, would buy again.",
    "A gift that went down very well.",
    "Sehr gute Qualität, gerne wieder.",
)
GRUMBLES: Final = (
    "Took far too long to arrive.",
    "Nobody could tell me where my parcel was.",
    "Not what the pictures promised.",
    "Leider beschädigt angekommen.",
)
