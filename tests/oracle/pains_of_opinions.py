"""What customers say and do about it: scores, reviews, complaints, clicks, errors, subscriptions."""

from math import hypot

from tests.oracle.pain_kinds import Found, Rule, Thresholds, graded, of_type
from tests.oracle.pains_of_orders import damaged_or_lost, late_delivery, missed_promise, order_of
from tests.oracle.stories import Touchpoint


def low_score(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return low answers to surveys."""
    usual = {"csat": (1, 5), "ces": (1, 7), "star": (1, 5)}
    found: list[Found] = []
    for step in of_type(steps, "survey.answered"):
        if step["score"] is None:
            continue
        if step["instrument"] == "nps":
            if step["scale_min"] not in (None, 0) or step["scale_max"] not in (None, 10):
                continue
            low, worst = step["score"] <= thresholds.low_nps, step["score"] <= thresholds.low_nps / 2
        elif step["instrument"] in usual:
            bottom = usual[step["instrument"]][0] if step["scale_min"] is None else step["scale_min"]
            top = usual[step["instrument"]][1] if step["scale_max"] is None else step["scale_max"]
            if top <= bottom:
                continue
            low = (step["score"] - bottom) / (top - bottom) <= thresholds.low_score_share + 1e-9
            worst = step["score"] <= bottom
        else:
            continue
        if low:
            found.append(Found("low_score", "high" if worst else "medium", step, step["occurred_at"]))
    return found


def _is_low(step: Touchpoint, thresholds: Thresholds) -> bool:
    top = 5 if step["scale"] is None else step["scale"]
    return (
        step["rating"] is not None and top > 1 and (step["rating"] - 1) / (top - 1) <= thresholds.low_score_share + 1e-9
    )


def bad_review(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return low reviews."""
    return [
        Found("bad_review", "high" if step["rating"] <= 1 else "medium", step, step["occurred_at"])
        for step in of_type(steps, "review.published")
        if _is_low(step, thresholds)
    ]


def product_flaw(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return what blames a product, once per order and product."""
    failed = {
        order_of(pain.shown_by, steps) if pain.order is None else pain.order
        for rule in (late_delivery, missed_promise, damaged_or_lost)
        for pain in rule(steps, thresholds)
    } - {""}
    found = []
    said = set()
    for step in of_type(steps, "return.requested", "review.published"):
        if step["type"] == "return.requested":
            blames, severity = step["reason"] in thresholds.product_reasons, "medium"
        else:
            blames = bool(step["product_id"]) and _is_low(step, thresholds) and step["order_id"] not in failed
            severity = "high" if blames and step["rating"] <= 1 else "medium"
        key = (step["order_id"], step["product_id"])
        if not blames or key in said:
            continue
        if step["order_id"]:
            said.add(key)
        found.append(Found("product_flaw", severity, step, step["occurred_at"]))
    return found


def complaint(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return complaints, one per ticket."""
    found = []
    tickets = set()
    for step in of_type(steps, "complaint.raised"):
        if step["ticket_id"] in tickets:
            continue
        if step["ticket_id"]:
            tickets.add(step["ticket_id"])
        word = (step["severity"] or "").lower()
        severity = "low" if word in thresholds.complaint_light else "medium"
        if step["regulator_ref"] or word in thresholds.complaint_severe:
            severity = "high"
        found.append(Found("complaint", severity, step, step["occurred_at"]))
    return found


def churned(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return subscriptions that were given up for good."""
    found = []
    for number, step in enumerate(steps):
        if step["type"] != "subscription.cancelled":
            continue
        key, at = step["subscription_id"], step["occurred_at"]
        changes = ("subscription.cancelled", "subscription.started", "subscription.renewed")
        before = [other for other in of_type(steps[:number], *changes) if key and other["subscription_id"] == key]
        if before and before[-1]["type"] == "subscription.cancelled":
            continue
        due = at if step["effective_at"] is None else max(at, step["effective_at"])
        again = [
            other
            for other in of_type(steps, "subscription.started", "subscription.renewed")
            if at <= other["occurred_at"] <= due + thresholds.churn_grace
            and (other["type"] == "subscription.started" or (key and other["subscription_id"] == key))
        ]
        if not again:
            severity = "medium" if step["voluntary"] is False else "high"
            found.append(Found("churned", severity, step, due, None, due))
    return found


def rage_click(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return bursts of clicks that did nothing."""
    bursts: list[list[Touchpoint]] = []
    for click in of_type(steps, "ui.clicked"):
        if bursts and _goes_on(bursts[-1][-1], click, thresholds):
            bursts[-1].append(click)
        else:
            bursts.append([click])
    least = thresholds.rage_clicks
    return [
        Found("rage_click", graded(len(burst), 2 * least, 4 * least), burst[0], burst[0]["occurred_at"], burst[-1])
        for burst in bursts
        if len(burst) >= least
    ]


def _goes_on(last: Touchpoint, click: Touchpoint, thresholds: Thresholds) -> bool:
    if last["ok"] or click["ok"] or last["url"] != click["url"]:
        return False
    if click["occurred_at"] - last["occurred_at"] > thresholds.rage_click_gap:
        return False
    if last["element"] is not None or click["element"] is not None:
        return bool(last["element"] == click["element"])
    if any(one[axis] is None for one in (last, click) for axis in "xy"):
        return False
    return hypot(click["x"] - last["x"], click["y"] - last["y"]) <= thresholds.rage_click_px


def ui_error(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return errors that were shown, those of one burst as one."""
    bursts: dict[str, list[list[Touchpoint]]] = {}
    for error in of_type(steps, "ui.error_shown"):
        same = bursts.setdefault(error["code"] or "", [])
        if same and error["occurred_at"] - same[-1][-1]["occurred_at"] <= thresholds.ui_error_gap:
            same[-1].append(error)
        else:
            same.append([error])
    return [
        Found("ui_error", graded(len(burst), 3, 6), burst[0], burst[0]["occurred_at"], burst[-1])
        for same in bursts.values()
        for burst in same
    ]


OPINION_RULES: tuple[Rule, ...] = (
    low_score,
    bad_review,
    product_flaw,
    complaint,
    churned,
    rage_click,
    ui_error,
)
