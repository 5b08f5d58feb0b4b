// A page, as little of one as the snippet needs: runs it and tells what it sent, as JSON.
// usage: node browser.js SNIPPET '{"attributes": {...}, "navigator": {...}, "steps": "code"}'
"use strict";
const fs = require("fs"), vm = require("vm"), { webcrypto } = require("crypto");
const [snippet, given] = [fs.readFileSync(process.argv[2], "utf8"), JSON.parse(process.argv[3])];
const sent = [], storage = new Map(Object.entries(given.storage || {})), listeners = {};
const script = { src: "https://collect.example/throughline.js", getAttribute: (name) => (given.attributes || {})[name] ?? null };
const location = new URL("https://shop.example/boots?utm_source=news");
const window = {
  location, crypto: webcrypto,
  navigator: { userAgent: "UA", language: "de-DE", sendBeacon: (url, body) => { sent.push({ url, body: JSON.parse(body) }); return true; }, ...given.navigator },
  history: { pushState: (_, __, path) => { location.href = new URL(path, location).href; }, replaceState() {} },
  localStorage: { getItem: (name) => storage.get(name) ?? null, setItem: (name, value) => storage.set(name, value), removeItem: (name) => storage.delete(name) },
  addEventListener: (name, call) => { listeners[name] = call; },
  fetch: (url, options) => { sent.push({ url, body: JSON.parse(options.body), fetched: true }); return Promise.resolve(); },
};
const document = { currentScript: script, referrer: "https://search.example/", title: "Boots", cookie: "", querySelector: () => script };
const context = vm.createContext({ window, document, URL, Uint8Array, Math, Date, JSON, RegExp, String, encodeURIComponent, decodeURIComponent });
vm.runInContext(snippet, context);
vm.runInContext(given.steps || "", context);
console.log(JSON.stringify({ sent, storage: Object.fromEntries(storage), cookie: document.cookie }));
