"""
People on the site and in the app: how they come, what they look at, when they say who they are.

A visit keeps its own clock; every step moves it on, and no step is more than half an hour after the one before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.producers.simulator.journal import Identity
from pipeline.producers.simulator.people import Device
from pipeline.producers.simulator.scene import Scene
from pipeline.producers.simulator.world import ARTICLES, PRODUCTS, SEARCHES, SHOP_URL, SOURCES, Product, Source


@dataclass(slots=True)
class Visit:
    """One person in front of one machine; the first page carries where they came from."""

    scene: Scene
    device: Device
    at: int
    source: Source
    session_id: str
    is_signed_in: bool = False
    seen: list[Product] = field(default_factory=list)

    @property
    def identities(self) -> list[Identity]:
        """Return what the site knows of the visitor by now."""
        return [*(self.scene.person.account if self.is_signed_in else ()), self.device.identity]

    def step(self, kind: str, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> str | None:  # noqa: ANN401 - passed on to the journal, which names them
        """Write a touchpoint of this visit at its clock, then let some seconds pass."""
        details: dict[str, Any] = {
            "session_id": self.session_id,
            "context": self._context(path, more.pop("title", "")),
            "body": body or {},
            **more,
        }
        event_id = self.scene.journal.write(
            kind, "app" if self.device.is_app else "webshop", self.at, self.identities, **details
        )
        self.at += self.scene.seconds(8, 140)
        return event_id

    def _context(self, path: str, title: str) -> dict[str, str]:
        person = self.scene.person
        context = {"user_agent": self.device.user_agent, "ip": person.ip, "locale": person.locale}
        if self.device.is_app:
            return context
        context["url"] = SHOP_URL + path
        if title:
            context["title"] = title
        source, self.source = self.source, _ON_SITE
        if source.referrer:
            context["referrer"] = source.referrer
        if source.utm:
            context["utm_source"], context["utm_medium"], context["utm_campaign"] = source.utm
            tags = "&".join(f"{name}={context[name]}" for name in ("utm_source", "utm_medium", "utm_campaign"))
            context["url"] += f"?{tags}"
        return context


_ON_SITE = Source("on site", SHOP_URL + "/", None, 0)


def arrive(scene: Scene, at: int, device: Device | None = None, source: Source | None = None) -> Visit:
    """Open the site or the app; returns the visit after its first page."""
    rng, person = scene.rng, scene.person
    device = device or rng.choice(person.browsers)
    source = source or rng.choices(SOURCES, [each.share for each in SOURCES])[0]
    visit = Visit(scene, device, at, source, f"s-{rng.getrandbits(40):010x}")
    if device.is_app:
        visit.step("app.screen_viewed", "", {"screen": "home"})
        visit.step("app.screen_viewed", "", {"screen": "shelf", "previous": "home"})
        return visit
    if source.utm and source.utm[1] in {"cpc", "referral"}:
        campaign = {"campaign": source.utm[2], "creative": f"{source.utm[2]}-{rng.randrange(1, 4)}"}
        visit.step("marketing.clicked", "/", {**campaign, "placement": source.name}, refs={"campaign": source.utm[2]})
    if source.name in {"organic search", "social"} and scene.chance(0.5):
        slug, title = rng.choice(ARTICLES)
        read = {"content_id": slug, "kind": "blog", "depth_pct": rng.randrange(20, 101)}
        visit.step("content.read", f"/journal/{slug}", read, title=title)
    visit.step("web.page_viewed", "/", {"content_group": "home", "dwell_ms": scene.seconds(2, 60)}, title="Alder & Oak")
    return visit


def look_around(visit: Visit, products: int) -> None:
    """Search, walk along the shelves and look at some products."""
    scene, rng = visit.scene, visit.scene.rng
    if scene.chance(0.3):
        query = rng.choice(SEARCHES)
        visit.step("site.searched", f"/search?q={query}", {"query": query, "results_count": rng.randrange(12)})
    if scene.chance(0.4):
        category = rng.choice(PRODUCTS).category
        shelf = [product.product_id for product in PRODUCTS if product.category == category]
        visit.step("product.list_viewed", f"/{category}", {"list_id": category, "products": shelf})
    for product in rng.sample(PRODUCTS, products):
        path = f"/{product.category}/{product.product_id}"
        visit.step("product.viewed", path, {"product": product.product_id}, title=product.name)
        visit.seen.append(product)
        if scene.chance(0.08):
            spot = {"element": "gallery-next", "x": rng.randrange(300, 900), "y": rng.randrange(200, 700), "ok": True}
            visit.step("ui.clicked", path, spot)
    if scene.chance(0.05):
        visit.step("form.submitted", "/newsletter", {"form_id": "newsletter", "errors": []})


def say_who(visit: Visit) -> None:
    """Register at the first time, sign in at any later one; from here on the site knows the person."""
    person = visit.scene.person
    visit.is_signed_in = True
    if person.is_registered:
        visit.step("account.signed_in", "/account", {"method": "password"})
        return
    person.is_registered = True
    visit.step("account.registered", "/account/new", {"method": "email"}, consent={"email_marketing": True})
    if person.has_loyalty_card:
        identities = [*person.account, ("loyalty_id", person.loyalty_id)]
        visit.scene.journal.write(
            "account.identified", "webshop", visit.at, identities, body={"method": "loyalty_card"}
        )
