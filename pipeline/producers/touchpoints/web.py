# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `web`: one builder a type."""

from collections.abc import Sequence
from typing import Literal, Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope


class WebPageViewedFields(Envelope, total=False):
    """What `web.page_viewed` and its like may say."""

    content_group: str  # Group of pages, as `checkout` or `help`.
    dwell_ms: int  # Time on the page in milliseconds.


class AppScreenViewedFields(Envelope, total=False):
    """What `app.screen_viewed` and its like may say."""

    screen: str  # Screen of the app.
    previous: str  # Screen before.


class ContentReadFields(Envelope, total=False):
    """What `content.read` and its like may say."""

    content_id: str  # Article, video or guide.
    kind: Literal["blog", "video", "guide", "other"]  # Sort of content.
    depth_pct: float  # How far it was read, in percent.


class SiteSearchedFields(Envelope, total=False):
    """What `site.searched` and its like may say."""

    query: str  # What was searched for.
    results_count: int  # How many results were shown.


class ProductViewedFields(Envelope, total=False):
    """What `product.viewed` and its like may say."""

    product: str  # Id of the product.


class ProductListViewedFields(Envelope, total=False):
    """What `product.list_viewed` and its like may say."""

    list_id: str  # List of products, as a category.
    products: Sequence[str]  # Ids of the products shown.


class UiClickedFields(Envelope, total=False):
    """What `ui.clicked` and its like may say."""

    element: str  # Element of the page.
    x: float  # Pixels from the left.
    y: float  # Pixels from the top.
    ok: bool  # The click did what it should.


class UiErrorShownFields(Envelope, total=False):
    """What `ui.error_shown` and its like may say."""

    code: str  # Code of the error.
    message: str  # Text of the error as shown.


class FormSubmittedFields(Envelope, total=False):
    """What `form.submitted` and its like may say."""

    form_id: str  # Form.
    errors: Sequence[str]  # What the form complained about, one entry per complaint.


class CartItemAddedFields(Envelope, total=False):
    """What `cart.item_added` and its like may say."""

    product: str  # Id of the product.
    quantity: float  # How many or how much.


class CheckoutStepReachedFields(Envelope, total=False):
    """What `checkout.step_reached` and its like may say."""

    step: int  # Number of the checkout step, from 1.
    name: str  # Name of the checkout step.
    outcome: str  # How the step ended.


def web_page_viewed(**fields: Unpack[WebPageViewedFields]) -> Touchpoint:
    """A page of the site was shown."""
    return build("web.page_viewed", fields)


def app_screen_viewed(**fields: Unpack[AppScreenViewedFields]) -> Touchpoint:
    """A screen of the app was shown."""
    return build("app.screen_viewed", fields)


def content_read(**fields: Unpack[ContentReadFields]) -> Touchpoint:
    """An article, video or guide was read."""
    return build("content.read", fields)


def site_searched(**fields: Unpack[SiteSearchedFields]) -> Touchpoint:
    """The site was searched."""
    return build("site.searched", fields)


def product_viewed(**fields: Unpack[ProductViewedFields]) -> Touchpoint:
    """A product was looked at."""
    return build("product.viewed", fields)


def product_list_viewed(**fields: Unpack[ProductListViewedFields]) -> Touchpoint:
    """A list of products was looked at."""
    return build("product.list_viewed", fields)


def ui_clicked(**fields: Unpack[UiClickedFields]) -> Touchpoint:
    """An element of a page was clicked."""
    return build("ui.clicked", fields)


def ui_error_shown(**fields: Unpack[UiErrorShownFields]) -> Touchpoint:
    """A page showed an error."""
    return build("ui.error_shown", fields)


def form_submitted(**fields: Unpack[FormSubmittedFields]) -> Touchpoint:
    """A form was sent."""
    return build("form.submitted", fields)


def cart_item_added(**fields: Unpack[CartItemAddedFields]) -> Touchpoint:
    """A product went into the basket; its price is the amount."""
    return build("cart.item_added", fields)


def cart_item_removed(**fields: Unpack[CartItemAddedFields]) -> Touchpoint:
    """A product left the basket; its price is the amount."""
    return build("cart.item_removed", fields)


def checkout_step_reached(**fields: Unpack[CheckoutStepReachedFields]) -> Touchpoint:
    """A step of the checkout was reached."""
    return build("checkout.step_reached", fields)
