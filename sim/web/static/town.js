// The pretend town's page. It asks GET /api/state about every 700 ms and shows what it hears; whatever is clicked is posted
// to /api. Words from outside (menus, messages, names) become text nodes, never HTML.
"use strict";
(() => {
  const ASK_MS = 700, ASK_TIMEOUT_MS = 5000, TOAST_MS = 3600, BLINK_MS = 250, SAFARICOM = "63902", HUNDRED_MB = 100_000_000;
  const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
  const OPERATORS = { 63902: "Safaricom", 63903: "Airtel", 63907: "Telkom" };
  const $ = (id) => document.getElementById(id);
  const make = (tag, className = "", text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
  const copy = (id) => $(id).content.firstElementChild.cloneNode(true);
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const kept = (name, value) => {
    try { if (value === undefined) return localStorage.getItem(name); localStorage.setItem(name, value); } catch { /* a browser that keeps nothing */ }
    return null;
  };
  const money = (minor) => "KES " + (minor / 100).toLocaleString("en", { minimumFractionDigits: 2 });
  const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
  const oneOf = (names, node) => (chosen) => names.forEach((name) => node.classList.toggle(name, name === chosen));
  const size = (bytes) => bytes >= 1e9 ? (bytes / 1e9).toFixed(2) + " GB" : Math.round(bytes / 1e6) + " MB";
  const span = (word) => (word.match(/\d+[wdhms]/g) || []).slice(0, 2).map((part) => part.replace(/(\d+)(\w)/, (_, n, unit) => `${n} ${unit === "m" ? "min" : unit}`)).join(" ");
  const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
  const again = (node, name) => { node.classList.remove(name); void node.offsetWidth; node.classList.add(name); };
  let state = null, phones = new Map(), devices = new Map(), shownPhone = null, memory = {};

  /** Runs `draw` only when what it shows has changed since the last time. */
  const changed = (name, value, draw) => {
    const key = JSON.stringify(value);
    if (memory[name] !== key) { memory[name] = key; draw(value); }
  };

  // ── talking to the town ──

  async function post(path, body = {}) {
    try {
      const answer = await fetch("/api/" + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const said = await answer.json();
      if (!answer.ok) { toast(said.error || "That did not work."); return null; }
      return said;
    } catch {
      toast("The town does not answer.");
      return null;
    } finally { ask(); }
  }

  let asking = false, askAgain = false, timer = 0, misses = 0;
  async function ask() {
    if (asking) { askAgain = true; return; }
    asking = true;
    clearTimeout(timer);
    try {
      const answer = await fetch("/api/state", { cache: "no-store", signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
      if (!answer.ok) throw new Error(String(answer.status));
      state = await answer.json();
      misses = 0;
    } catch { misses += 1; }
    asking = false;
    $("lost").hidden = misses < 2;
    if (!misses) show();
    if (askAgain) { askAgain = false; ask(); } else if (!document.hidden) timer = setTimeout(ask, ASK_MS);
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });

  let toastTimer = 0;
  function toast(words) {
    put($("toast"), words);
    $("toast").classList.add("shown");
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => $("toast").classList.remove("shown"), TOAST_MS);
  }

  // ── a phone ──

  class Phone {
    constructor(facts) {
      this.msisdn = facts.msisdn;
      this.path = "phones/" + encodeURIComponent(facts.msisdn) + "/";
      this.facts = facts;
      this.node = copy("phone-template");
      this.readUntil = facts.inbox.at(-1)?.at || "";
      this.words = "";
      this.part = (selector) => this.node.querySelector(selector);
      this.line = this.part(".line input");
      this.pin = this.part(".prompt input");
      this.node.setAttribute("aria-label", facts.label);
      put(this.part("h3"), facts.label);
      put(this.part(".number"), facts.msisdn);
      put(this.part(".operator"), OPERATORS[facts.network] || facts.network);
      this.line.id = "line-" + facts.msisdn;
      this.part(".line label").htmlFor = this.line.id;
      this.pin.id = "pin-" + facts.msisdn;
      this.part(".prompt label").htmlFor = this.pin.id;
      this.part(".prompt").setAttribute("aria-label", "Payment prompt on the phone of " + facts.label);
      this.part(".screen").setAttribute("aria-label", "Screen of " + facts.label);
      this.part(".by-hand").hidden = facts.network !== SAFARICOM;
      for (const key of KEYS) {
        const button = make("button", "key", key);
        button.type = "button";
        button.addEventListener("click", () => this.press(key));
        this.part(".pad").append(button);
      }
      this.listen();
    }

    listen() {
      const on = (selector, event, act) => this.part(selector).addEventListener(event, (happened) => { if (event === "submit") happened.preventDefault(); act(happened); });
      on(".call", "click", () => this.call());
      on(".hang", "click", () => this.hangUp());
      on(".erase", "click", () => { const field = this.field(); field.value = field.value.slice(0, -1); });
      on(".line", "submit", () => this.call());
      on(".prompt", "submit", () => this.call());
      on(".cancel", "click", () => this.hangUp());
      on(".quick", "click", () => this.dial(""));
      on(".screen", "pointerup", (happened) => { if (happened.pointerType === "mouse" && !String(getSelection())) this.field().focus(); });
      on(".body", "keydown", (happened) => { if (happened.key === "Escape") this.hangUp(); });
      on(".screen", "keydown", (happened) => {
        if (happened.key.length === 1 && !happened.ctrlKey && !happened.metaKey && !happened.altKey && happened.key !== " ") this.field().focus();
      });
      on(".messages", "toggle", () => this.showMessages());
      on(".text", "submit", async () => {
        const field = this.part(".text input");
        if (field.value.trim() && await post(this.path + "text", { to: "", text: field.value })) field.value = "";
      });
      on(".paybill", "submit", async () => {
        const { account, amount } = this.part(".paybill").elements;
        const done = account.value && amount.value && await post("paybill", { msisdn: this.msisdn, account: account.value, amount_minor: Math.round(Number(amount.value) * 100) });
        if (done) { amount.value = ""; toast("Paid. Receipt " + done.receipt); }
      });
    }

    field() { return this.facts.prompt ? this.pin : this.line; }
    press(key) { const field = this.field(); if (field.value.length < field.maxLength) field.value += key; }

    async call() {
      const typed = this.field().value.trim();
      if (this.facts.prompt) {
        if (typed && await this.send("pin", { pin: typed })) this.pin.value = "";
      } else if (!this.facts.in_session) await this.dial(typed);
      else if (typed) { this.line.value = ""; await this.send("answer", { digits: typed }); }
    }
    async dial(code) { this.line.value = ""; await this.send("dial", { code }); }
    async hangUp() {
      if (this.facts.prompt) { this.pin.value = ""; await this.send("cancel"); return; }
      this.line.value = "";
      this.words = "";
      await this.send("hang_up");
      this.rest = true;
      this.showScreen();
    }

    async send(what, body) {
      if (this.busy) return null;
      this.busy = true;
      this.rest = false;
      this.showScreen();
      const facts = await post(this.path + what, body);
      this.busy = false;
      if (facts) { this.facts = facts; if (facts.outcome && facts.outcome !== "paid") toast("M-Pesa: " + facts.outcome); }
      this.show();
      return facts;
    }

    update(facts) {
      const before = this.facts;
      if (this.busy) return;
      this.facts = facts;
      if (facts.inbox.length && facts.inbox.at(-1).at !== before.inbox.at(-1)?.at) again(this.node, "buzz");
      this.show();
    }

    show() {
      const { facts } = this;
      put(this.part(".quick"), "Dial " + state.companies.africastalking.service_code);
      put(this.part(".short-code"), state.companies.africastalking.short_code);
      put(this.part(".clock"), clock(state.now).slice(0, 5));
      const balance = facts.network === SAFARICOM ? money(facts.balance_minor) : "not on this network";
      if (this.balance && this.balance !== balance) again(this.part(".balance"), "changed");
      put(this.part(".balance"), this.balance = balance);
      this.showScreen();
      this.showPrompt();
      this.showMessages();
    }

    showScreen() {
      const { facts } = this, screen = this.part(".words");
      if (!facts.prompt && !this.rest) this.words = facts.screen;
      const words = this.busy && !facts.prompt ? "USSD code running…" : this.words;
      const idle = "Press the green key to dial " + (state?.companies.africastalking.service_code || "");
      screen.classList.toggle("idle", !words);
      if ((words || idle) !== screen.textContent) { put(screen, words || idle); this.part(".screen").scrollTop = 0; }
    }

    showPrompt() {
      const { prompt, pin } = this.facts, box = this.part(".prompt");
      const opens = prompt && box.hidden, closes = !prompt && !box.hidden;
      if (prompt) { put(this.part(".prompt-words"), prompt.text); put(this.part(".pin-hint"), `This phone's PIN: ${pin}`); }
      const inside = this.node.contains(document.activeElement), mouse = matchMedia("(pointer: fine)").matches;
      box.hidden = !prompt;
      if (opens) { this.pin.value = ""; again(this.node, "buzz"); if (mouse && (inside || document.activeElement === document.body)) this.pin.focus(); }
      if (closes) { this.pin.value = ""; if (mouse && inside) this.line.focus({ preventScroll: true }); }
    }

    showMessages() {
      const { inbox } = this.facts, box = this.part(".messages");
      if (box.open && inbox.length) this.readUntil = inbox.at(-1).at;
      this.unread = inbox.filter((sms) => sms.at > this.readUntil).length;
      this.part(".badge").hidden = this.part(".envelope").hidden = !this.unread;
      put(this.part(".badge"), `${this.unread} new`);
      put(this.part(".unread"), String(this.unread));
      changed("inbox " + this.msisdn, inbox, () => this.part(".inbox").replaceChildren(...[...inbox].reverse().map((sms) => {
        const item = make("li", "", sms.text);
        item.prepend(make("small", "", `${sms.sender}, ${clock(sms.at)}`));
        return item;
      })));
    }
  }

  function showPhones() {
    for (const facts of state.phones) {
      if (phones.has(facts.msisdn)) { phones.get(facts.msisdn).update(facts); continue; }
      const phone = new Phone(facts), tab = make("button", "", facts.label.replace(/^the /, ""));
      tab.type = "button";
      tab.addEventListener("click", () => choosePhone(facts.msisdn));
      phone.tab = tab;
      $("tabs").append(tab);
      $("phone-row").append(phone.node);
      phones.set(facts.msisdn, phone);
      phone.show();
      if (!shownPhone) choosePhone(facts.msisdn);
    }
    for (const phone of phones.values()) phone.tab.classList.toggle("dot", phone.msisdn !== shownPhone && (phone.unread > 0 || Boolean(phone.facts.prompt)));
  }
  function choosePhone(msisdn) {
    shownPhone = msisdn;
    for (const phone of phones.values()) {
      phone.node.classList.toggle("shown", phone.msisdn === msisdn);
      phone.tab?.setAttribute("aria-pressed", String(phone.msisdn === msisdn));
    }
  }

  // ── things with Wi-Fi ──

  const NAMES = { tv: "television", phone: "smartphone" }, ICONS = ["television", "tablet", "smartphone", "laptop"];
  const nameOf = (facts) => facts.label || NAMES[facts.hostname] || facts.hostname || "device";

  function newDevice(key) {
    const node = copy("device-template"), device = { node, key }, part = (selector) => node.querySelector(selector);
    const path = () => `devices/${encodeURIComponent(device.facts.mac)}/`;
    part(".join").addEventListener("click", () => post(path() + (device.facts.present ? "leave" : "come_back")));
    part(".new-mac").addEventListener("click", () => post(path() + "change_mac"));
    part(".traffic").addEventListener("click", async () => {
      const done = await post(path() + "traffic", { upload_bytes: HUNDRED_MB / 10, download_bytes: HUNDRED_MB / 10 * 9 });
      if (done) toast(done.passed_bytes ? `${size(done.passed_bytes)} went through.` : "Nothing went through: this device is not let in.");
    });
    $("devices").append(node);
    return device;
  }

  function showDevices() {
    const seen = new Set();
    for (const facts of state.devices) {
      const key = facts.router + " " + (facts.hostname || facts.mac);
      seen.add(key);
      const device = devices.get(key) || newDevice(key), part = (selector) => device.node.querySelector(selector);
      const wasOnline = device.facts?.online, name = nameOf(facts);
      device.facts = facts;
      devices.set(key, device);
      put(part("h3"), name);
      put(part(".mac"), facts.mac);
      part("use").setAttribute("href", "#i-" + (ICONS.find((icon) => name.toLowerCase().includes(icon)) || "device"));
      const kind = facts.online ? "good" : facts.present ? "waiting" : "";
      oneOf(["good", "waiting"], part(".pill"))(kind);
      put(part(".pill-words"), facts.online ? "online" : facts.present ? "not let in" : "away");
      put(part(".left"), left(facts));
      put(part(".join"), facts.present ? "Leave" : "Join");
      part(".traffic").disabled = part(".new-mac").disabled = !facts.present;
      for (const selector of [".join", ".traffic", ".new-mac"]) part(selector).setAttribute("aria-label", `${part(selector).textContent}: ${name}`);
      device.node.classList.toggle("online", facts.online);
      device.node.dataset.mac = facts.mac;
      if (facts.online && wasOnline === false) again(device.node, "arrived");
    }
    for (const [key, device] of devices) if (!seen.has(key)) { device.node.remove(); devices.delete(key); }
    const all = [...devices.values()];
    document.querySelectorAll(".house").forEach((house, index) => house.classList.toggle("lit", Boolean(all[index]?.facts.online)));
  }

  /** Time and data left, as the router's own row of this device says. */
  function left(facts) {
    if (!facts.present) return "Out of reach.";
    const row = state.routers.flatMap((router) => router.active).find((found) => found["mac-address"] === facts.mac);
    if (!row) return facts.error ? `Sees the login page: ${facts.error}` : "Sees the login page.";
    const used = Number(row["bytes-in"] || 0) + Number(row["bytes-out"] || 0), words = [];
    if (row["session-time-left"]) words.push(`${span(row["session-time-left"])} left`);
    words.push(row["limit-bytes-total"] ? `${size(Math.max(0, row["limit-bytes-total"] - used))} left` : `${size(used)} used`);
    return words.join(", ");
  }

  $("add-device").addEventListener("click", () => {
    const names = new Set(state?.devices.map((facts) => facts.hostname));
    let number = 1;
    const name = () => number === 1 ? "tablet" : `tablet-${number}`;
    while (names.has(name())) number += 1;
    post("devices", { hostname: name() });
  });

  // ── the latest purchase ──

  function story(events) {
    const start = events.findLast((event) => event.kind === "dial") || events.findLast((event) => event.kind === "prompt");
    if (!start) return null;
    // Steps that follow each other within a blink may have been noticed in another order.
    const after = (kinds, from) => from && events.find((event) => kinds.includes(event.kind) && new Date(event.at) > new Date(from.at) - BLINK_MS && event.number > start.number);
    const own = (kinds) => events.find((event) => kinds.includes(event.kind) && event.who === start.who && event.number >= start.number);
    const prompt = own(["prompt"]), pin = own(["paid", "unpaid"]), paid = pin?.kind === "paid" ? pin : null;
    const failed = own(["menu_broken"]);
    const steps = [
      [start, start.kind === "dial" ? "Dialled" : "Asked by SMS"],
      [failed || prompt, failed ? failed.words : "M-Pesa asks for the PIN"],
      [pin, pin && !paid ? pin.words : "PIN typed, money taken"],
      [after(["callback"], paid), "M-Pesa tells the shop"],
      [after(["let_in", "accepted"], paid), "The router hears: let it in"],
      [after(["online"], paid), "Device online"],
      [after(["sms"], paid), "Receipt by SMS"],
    ];
    return { start, paid, steps, broken: Boolean(failed || (pin && !paid)) };
  }

  function told(event) {
    const who = phones.get(event.who)?.facts.label || nameOf(state.devices.find((facts) => facts.mac === event.who) || { hostname: event.who.includes(":") ? event.who : " " });
    const words = (who.trim() ? `${who}: ` : "") + event.words;
    return capital(words);
  }

  function showStory() {
    const found = story(state.events);
    changed("story", found, () => {
      if (!found) { $("timeline").replaceChildren(); put($("story-who"), ""); return; }
      const begin = new Date(found.paid?.at || found.start.at), label = phones.get(found.start.who)?.facts.label || found.start.who;
      put($("story-who"), `${capital(label)}, ${clock(found.start.at)}`);
      let waiting = false;
      $("timeline").replaceChildren(...found.steps.map(([event, words], index) => {
        const item = make("li", "", ""), bad = event && ["unpaid", "menu_broken"].includes(event.kind);
        item.className = event ? (bad ? "failed" : "done") : waiting || found.broken ? "" : "now";
        waiting ||= !event;
        item.append(make("span", "", capital(words)));
        if (event) {
          const seconds = (new Date(event.at) - begin) / 1000, time = make("time", "", index > 2 ? `+${Math.max(0, seconds).toFixed(1)} s` : clock(event.at));
          item.append(time);
        }
        return item;
      }));
    });
    if ($("log-box").open) changed("log", state.events, () => $("log").replaceChildren(...[...state.events].reverse().map((event) => {
      const item = make("li");
      item.append(make("time", "", clock(event.at)), make("span", "", told(event)));
      return item;
    })));
    const last = state.events.findLast((event) => ["dial", "prompt", "paid", "unpaid", "online", "offline", "sms", "trouble", "menu_broken"].includes(event.kind));
    put($("ticker-text"), last ? told(last) : "");
  }
  $("log-box").addEventListener("toggle", () => state && showStory());

  // ── trouble ──

  const GROUPS = [["M-Pesa", /^(mpesa|callbacks|queries|tokens|everybody)/], ["SMS and USSD", /^(sms|ussd)/], ["The router", /^router/]];
  const FELT = {
    mpesa_down: "No prompt comes yet; it comes by itself when M-Pesa is back.",
    mpesa_slow: "The prompt comes a few seconds later.",
    mpesa_silent: "No prompt comes; the account number to pay by hand still works.",
    mpesa_html: "No prompt comes yet; it comes when M-Pesa talks sense again.",
    callbacks_lost: "Paid, and online about 90 seconds later, when the shop asks by itself.",
    callbacks_tripled: "Nothing. One payment, one package, one receipt.",
    callbacks_held: "Paid, and waiting. Online as soon as the news gets out.",
    queries_deny: "Nothing. A paid customer is never told no because of it.",
    tokens_forgotten: "Nothing. The shop signs in again.",
    everybody_pays: "For the impatient: no PIN to type.",
    sms_down: "Online as usual; the receipt comes when the company is back.",
    sms_slow: "Online as usual; the receipt is a little late.",
    sms_no_credit: "Online as usual; one receipt is late or missing, and the owner hears why.",
    ussd_repeated: "Nothing. One answer, one order.",
    router_api_down: "Paid devices still come online through RADIUS, within half a minute.",
    router_off: "No Wi-Fi at all. Who paid is let in when it is back.",
    router_reboot: "Offline for a moment, then back by itself.",
    router_slow: "Online some seconds later.",
    router_cut: "Nothing, or a few seconds more: the shop tries again.",
    router_reset: "Offline until the owner sets it up again: duka router set-up.",
    router_clock: "Nothing. Time paid is counted by the shop.",
  };

  function showTroubles() {
    changed("troubles list", state.troubles.map((trouble) => trouble.name), () => $("switches").replaceChildren(...GROUPS.map(([title, pattern]) => {
      const group = make("details", "group"), head = make("summary"), list = make("div", "list");
      head.append(make("h3", "", title));
      list.append(...state.troubles.filter((trouble) => pattern.test(trouble.name)).map(newSwitch));
      group.append(head, list);
      group.open = matchMedia("(min-width: 861px)").matches;
      return group;
    })));
    for (const trouble of state.troubles) {
      const button = document.querySelector(`.switch[data-name="${CSS.escape(trouble.name)}"]`);
      if (button && !trouble.once) button.setAttribute("aria-checked", String(trouble.on));
    }
    $("heal").disabled = !state.troubles.some((trouble) => trouble.on);
  }
  function newSwitch(trouble) {
    const button = make("button", "switch"), felt = FELT[trouble.name.split(".")[0]];
    button.type = "button";
    button.dataset.name = trouble.name;
    button.append(make("i"), make("b", "", trouble.words));
    if (felt) button.append(make("small", "", felt));
    if (trouble.name === "everybody_pays") button.classList.add("helper");
    if (trouble.once) button.classList.add("once"); else button.setAttribute("role", "switch");
    button.addEventListener("click", async () => {
      const done = await post("trouble/" + encodeURIComponent(trouble.name), { on: trouble.once || button.getAttribute("aria-checked") !== "true" });
      if (done?.once) toast("Done: " + trouble.words.toLowerCase());
    });
    return button;
  }
  $("heal").addEventListener("click", async () => {
    for (const trouble of state.troubles.filter((found) => found.on)) await post("trouble/" + encodeURIComponent(trouble.name), { on: false });
    toast("Everything is healthy again.");
  });

  // ── who is well ──

  function showHealth() {
    const on = (pattern) => state.troubles.filter((trouble) => trouble.on && pattern.test(trouble.name) && trouble.name !== "everybody_pays").length;
    const sick = state.shop.find((door) => door.ok === false), known = state.shop.some((door) => door.ok !== null);
    const online = state.devices.filter((facts) => facts.online).length, router = on(/^router/), unreachable = state.routers.some((found) => !found.reachable);
    const pills = [
      [sick ? "bad" : known ? "good" : "waiting", sick ? `Shop: ${sick.name} ${sick.words}` : known ? "Shop open" : "Shop not heard of yet"],
      ...[["M-Pesa", /^(mpesa|callbacks|queries)/], ["SMS", /^sms/]].map(([name, pattern]) => on(pattern) ? ["bad", `${name} in trouble`] : ["good", name, " is well"]),
      router ? ["bad", "Router in trouble"] : ["good", "Router", " is well"],
      [online ? "good" : "", `${online} online`],
    ];
    changed("pills", pills, () => $("pills").replaceChildren(...pills.map(([kind, words, unseen]) => {
      const pill = make("li", kind), said = make("span", "", words);
      if (unseen) said.append(make("span", "hidden", unseen));
      pill.append(make("i"), said);
      return pill;
    })));
    document.querySelector(".kiosk").classList.toggle("shut", Boolean(sick));
    const off = unreachable || state.troubles.some((trouble) => trouble.on && trouble.name.startsWith("router_off"));
    oneOf(["on", "off"], document.querySelector(".mast"))(off ? "off" : online ? "on" : "");
  }

  // ── inside the router ──

  const argumentsOf = (row) => Object.entries(row.arguments).map(([name, value]) => `${name}=${value}`).join(" ");
  const TABLES = [
    ["Online (active)", "active", ["user", "address", "mac-address", "uptime", "session-time-left", "bytes-in", "bytes-out", "limit-bytes-total", "login-by"]],
    ["In reach (hosts)", "hosts", ["mac-address", "address", "authorized", "bypassed", "uptime", "idle-time"]],
    ["Speed limits (queues)", "queues", ["name", "target", "max-limit", "bytes", "dynamic"]],
    ["Last RADIUS answers", "radius", ["kind", "code", "user", "reason"]],
    ["Last API commands", "commands", ["path", "arguments"]],
  ];
  const routers = new Map();

  function showRouters() {
    for (const facts of state.routers) {
      const router = routers.get(facts.name) || newRouter(facts);
      put(router.querySelector("h3"), `${facts.name}, API port ${facts.api_port}`);
      oneOf(["good", "bad"], router.querySelector(".pill"))(facts.reachable ? "good" : "bad");
      put(router.querySelector(".pill-words"), facts.reachable ? "reachable" : "unreachable");
      for (const [, part, columns] of TABLES) {
        const box = router.querySelector(`[data-part="${part}"]`), rows = facts[part] || [];
        put(box.querySelector(".count"), String(rows.length));
        if (box.open) changed(`${facts.name} ${part}`, rows, () => fill(box, columns, ["radius", "commands"].includes(part) ? [...rows].reverse() : rows));
      }
    }
  }
  function newRouter(facts) {
    const router = copy("router-template");
    for (const [title, part] of TABLES) {
      const box = make("details"), head = make("summary", "", title);
      box.dataset.part = part;
      box.open = part === "active";
      head.append(make("span", "count"));
      box.append(head, make("div", "rows"));
      box.addEventListener("toggle", () => state && showRouters());
      router.querySelector(".tables").append(box);
    }
    $("router-list").append(router);
    routers.set(facts.name, router);
    return router;
  }
  function fill(box, columns, rows) {
    const place = box.querySelector(".rows"), top = place.firstElementChild?.scrollTop || 0, aside = place.firstElementChild?.scrollLeft || 0;
    if (!rows.length) { place.replaceChildren(make("p", "empty", "Nothing here.")); return; }
    const wide = make("div", "wide"), table = make("table"), shown = columns.filter((column) => rows.some((row) => row[column] !== undefined));
    wide.tabIndex = 0;
    wide.setAttribute("role", "region");
    wide.setAttribute("aria-label", box.querySelector("summary").firstChild.textContent);
    const head = table.createTHead().insertRow(), body = table.createTBody();
    for (const column of shown) { const cell = make("th", "", column); cell.scope = "col"; head.append(cell); }
    for (const row of rows) {
      const line = body.insertRow();
      for (const column of shown) {
        const cell = line.insertCell();
        if (column === "arguments") cell.className = "long";
        cell.textContent = column === "arguments" ? argumentsOf(row) : row[column] ?? "";
      }
    }
    wide.append(table);
    const focused = place.firstElementChild === document.activeElement;
    place.replaceChildren(wide);
    Object.assign(wide, { scrollTop: top, scrollLeft: aside });
    if (focused) wide.focus({ preventScroll: true });
  }

  // ── the first minute ──

  let learner = null;
  function showSteps() {
    if (kept("town.steps") === "done") { $("steps").hidden = true; return; }
    if (!learner) {
      learner = state.phones.find((facts) => facts.network === SAFARICOM && !state.events.some((event) => event.kind === "paid" && event.who === facts.msisdn)) || state.phones[0];
      choosePhone(learner.msisdn);
    }
    if (!kept("town.since")) kept("town.since", state.now);
    const since = new Date(kept("town.since") || 0), happened = (kind) => state.events.some((event) => event.kind === kind && new Date(event.at) >= since);
    const joined = happened("paid") || state.devices.some((facts) => facts.present && !facts.online), done = [joined, happened("dial"), happened("prompt"), happened("paid")];
    $("step-join").hidden = joined;
    put($("step-code"), state.companies.africastalking.service_code);
    put($("step-whose"), `On ${learner.label}'s phone`);
    put($("step-pin-digits"), learner.pin);
    ["step-join", "step-dial", "step-choose", "step-pin"].forEach((id, index) => oneOf(["done", "now"], $(id))(done[index] ? "done" : index === done.indexOf(false) ? "now" : ""));
    $("steps").hidden = false;
    if (done.every(Boolean) && happened("online")) endSteps("Sold. The device is online, and the receipt is on its way.");
  }
  function endSteps(words) { kept("town.steps", "done"); $("steps").hidden = true; if (words) toast(words); }
  $("steps-hide").addEventListener("click", () => endSteps(""));

  function show() {
    showPhones();
    showDevices();
    showStory();
    showTroubles();
    showHealth();
    showRouters();
    showSteps();
  }
  ask();
})();
