/* <script async src="https://COLLECTOR/throughline.js" data-write-key="KEY"></script>
   Also data-source="NAME" (else the host), data-consent="required" (waits for consent()), data-auto="off". */
(function (window, document) {
  "use strict";
  var script = document.currentScript || document.querySelector("script[data-write-key]");
  if (!script || window.throughline) return;
  var navigator = window.navigator, location = window.location;
  var key = script.getAttribute("data-write-key"), source = script.getAttribute("data-source") || location.host;
  var address = script.src.replace(/\/[^\/]*$/, "") + "/v1/touchpoints?writeKey=" + encodeURIComponent(key);
  var ID = "tl_id", CONSENT = "tl_consent", waiting = [], purposes = null, user = null, referrer = document.referrer, last = "";

  function read(name) {
    try { var kept = window.localStorage.getItem(name); if (kept) return kept; } catch (e) { /* off */ }
    var found = document.cookie.match(new RegExp("(?:^|; )" + name + "=([^;]*)"));
    return found ? decodeURIComponent(found[1]) : null;
  }
  function keep(name, value) {
    try { if (value === null) window.localStorage.removeItem(name); else window.localStorage.setItem(name, value); } catch (e) { /* off */ }
    document.cookie = name + "=" + encodeURIComponent(value || "") + "; path=/; SameSite=Lax; max-age=" +
      (value === null ? 0 : 31536000) + (location.protocol === "https:" ? "; Secure" : "");
  }
  function uuid() { // version 7: ordered by time
    var bytes = new Uint8Array(16), now = Date.now(), text = "";
    window.crypto.getRandomValues(bytes);
    for (var i = 5; i >= 0; i--) { bytes[i] = now % 256; now = Math.floor(now / 256); }
    bytes[6] = bytes[6] & 15 | 112; bytes[8] = bytes[8] & 63 | 128;
    for (i = 0; i < 16; i++) text += (i === 4 || i === 6 || i === 8 || i === 10 ? "-" : "") + (256 + bytes[i]).toString(16).slice(1);
    return text;
  }
  function refused() { // the browser's signal stands until the visitor speaks
    if (purposes) return purposes.analytics === false;
    return navigator.globalPrivacyControl === true || navigator.doNotTrack === "1";
  }
  function mayNot() { return refused() || script.getAttribute("data-consent") === "required" && !purposes; }
  function anonymous() {
    var id = read(ID);
    if (!id) keep(ID, id = uuid());
    return id;
  }
  function post(touchpoint) {
    var identities = [{ kind: "cookie_id", value: anonymous() }];
    if (user) identities.unshift({ kind: "customer_id", value: String(user) });
    touchpoint.identities = identities;
    touchpoint.sent_at = Date.now();
    touchpoint.consent = [];
    for (var name in purposes || {}) touchpoint.consent.push({ purpose: name, granted: purposes[name] });
    var body = JSON.stringify(touchpoint);
    if (navigator.sendBeacon && navigator.sendBeacon(address, body)) return;
    window.fetch(address, { method: "POST", body: body, keepalive: true, credentials: "omit" }).catch(function () { waiting.push(touchpoint); });
  }
  function flush() {
    var sending = waiting;
    if (refused()) { waiting = []; return; }
    if (mayNot()) return;
    waiting = [];
    sending.forEach(post);
  }
  function send(type, body, more) {
    if (refused()) return null;
    var touchpoint = { id: uuid(), type: type, source: source, occurred_at: Date.now(), context: {
      url: location.href, referrer: referrer || undefined, title: document.title || undefined,
      user_agent: navigator.userAgent, locale: navigator.language } };
    if (body) touchpoint.body = body;
    for (var name in more || {}) touchpoint[name] = more[name];
    if (waiting.length < 100) waiting.push(touchpoint);
    flush();
    return touchpoint.id;
  }
  function page() {
    if (location.href === last) return null;
    if (last) referrer = last;
    last = location.href;
    return send("web.page_viewed");
  }
  function consent(given) {
    purposes = given;
    if (given && given.analytics === false) { waiting = []; keep(ID, null); }
    keep(CONSENT, given ? JSON.stringify(given) : null);
    flush();
  }
  try { purposes = JSON.parse(read(CONSENT) || "null"); } catch (e) { purposes = null; }
  window.throughline = { page: page, send: send, consent: consent,
    identify: function (id) { user = id; return id ? send("account.identified") : null; },
    track: function (name, attributes) {
      var list = [];
      for (var key in attributes || {}) list.push({ key: key, value: String(attributes[key]) });
      return send("custom.tracked", { name: name }, { attributes: list });
    } };
  if (script.getAttribute("data-auto") !== "off") {
    ["pushState", "replaceState"].forEach(function (name) {
      var original = window.history[name];
      window.history[name] = function () { var result = original.apply(this, arguments); page(); return result; };
    });
    window.addEventListener("popstate", page);
    page();
  }
  window.addEventListener("pagehide", flush);
})(window, document);
