// Keeps the page as true as the daemon: hears which sections changed and asks for those again.
// Nothing here decides what is shown: every section is made by the server, and replaced whole.
"use strict";

(() => {
  const AGEING = ["header", "account", "orders", "outlook"]; // they say how old things are
  const AGEING_EVERY = 4; // looks; at the others the header alone is asked for: is anybody there?
  const ALL = Array.from(document.querySelectorAll("#header, main section[id]"), (each) => each.id);
  const LOOK_MS = 15000;
  const ANSWER_MS = 8000;
  const RETRY_MS = [2000, 5000, 15000, 30000];
  const live = document.getElementById("live");
  const age = document.getElementById("live-age");
  const spoken = document.getElementById("spoken");
  const shown = new Map(); // each section's text as last heard
  const wanted = new Set();
  let isAsking = false;
  let isListening = false;
  let heardAt = performance.now();
  let cutAt = null; // when it was last known to be live, by this device's clock
  let lastWord = Date.now();
  let tries = 0;
  let looks = 0;
  let source = null;
  let edition = null; // of the page, as the first greeting names it
  let told = -1; // the journal's place as the stream told it last
  let seen = -1; // as the header showed it at the look before

  const span = (ms) => {
    const seconds = Math.max(0, Math.round(ms / 1000));
    if (seconds < 60) return `${seconds}s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes}m`;
    return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
  };
  const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour12: false });

  const say = (text, kind) => {
    if (live.textContent !== text) live.textContent = text; // a status is read out when it changes
    live.className = kind;
  };
  const tick = () => {
    age.textContent = `last heard ${span(performance.now() - heardAt)} ago`;
  };
  const heard = () => {
    heardAt = performance.now();
    lastWord = Date.now();
    if (isListening) {
      cutAt = null;
      say("Connected: changes show as they happen", "on");
    }
    tick();
  };
  const cut = () => {
    if (cutAt === null) cutAt = lastWord;
    say(`Not live since ${clock(cutAt)} on this device's clock; trying again`, "off");
    tick();
  };

  const keep = (old, fresh) => {
    // What the reader opened stays open, what is scrolled stays there, and so does the focus.
    for (const each of old.querySelectorAll("details[open][id]")) {
      const same = fresh.querySelector(`#${CSS.escape(each.id)}`);
      if (same) same.open = true;
    }
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const holder = focused && (focused.id ? focused : focused.closest("[id]"));
    const places = Array.from(old.querySelectorAll(".wide[id]"), (each) => [
      each.id, each.scrollLeft, each.scrollTop,
    ]);
    return () => {
      for (const [id, left, top] of places) {
        const same = document.getElementById(id);
        if (same) same.scrollTo(left, top);
      }
      const same = holder && document.getElementById(holder.id);
      if (!same) return;
      const target = focused === holder ? same : same.querySelector(focused.localName);
      if (target) target.focus({ preventScroll: true });
    };
  };

  const replace = (name, text) => {
    if (shown.get(name) === text) return;
    const isFirst = !shown.has(name);
    shown.set(name, text);
    const old = document.getElementById(name);
    const holder = document.createElement("template");
    holder.innerHTML = text;
    const fresh = holder.content.firstElementChild;
    if (!old || !fresh || fresh.id !== name) return;
    if (isFirst && old.innerHTML === fresh.innerHTML) return;
    const restore = keep(old, fresh);
    if (name === "header") {
      document.title = fresh.dataset.title;
      document.body.className = fresh.className;
    } else if (!isFirst && !AGEING.includes(name)) {
      fresh.classList.add("fresh");
    }
    old.replaceWith(fresh);
    restore();
    if (name === "warnings" && !fresh.hidden) spoken.textContent = fresh.textContent;
  };

  const fetched = async (name) => {
    const answer = await fetch(`/part/${name}${location.search}`, {
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    replace(name, await answer.text());
    heard();
  };
  const pump = async () => {
    if (isAsking) return;
    isAsking = true;
    while (wanted.size) {
      const names = Array.from(wanted);
      wanted.clear();
      const answers = await Promise.allSettled(names.map(fetched));
      if (answers.some((each) => each.status === "rejected")) {
        anew();
        break; // the next look asks for all of them again
      }
    }
    isAsking = false;
  };
  const ask = (names) => {
    for (const name of names) if (ALL.includes(name)) wanted.add(name);
    pump();
  };

  const listen = () => {
    source = new EventSource(`/api/events${location.search}`);
    source.onopen = () => {
      isListening = true;
      tries = 0;
      told = Infinity; // until it greets
      heard();
      ask(ALL); // what changed while nobody listened
    };
    source.onerror = () => {
      isListening = false;
      cut();
      // A stream that broke is tried again by the browser itself; one that was refused is not.
      if (source.readyState === EventSource.CLOSED) anew();
    };
    source.addEventListener("status", (event) => {
      const data = JSON.parse(event.data);
      if (edition !== null && data.page !== edition) {
        location.reload(); // the daemon came back with another page than this one
        return;
      }
      edition = data.page;
      told = data.seq;
      heard();
    });
    source.addEventListener("changed", (event) => {
      const data = JSON.parse(event.data);
      told = data.seq;
      heard();
      ask(data.sections);
    });
  };
  const anew = () => {
    if (source === null) return; // it is to be opened anew already
    isListening = false;
    cut();
    source.close();
    source = null;
    setTimeout(listen, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
    tries += 1;
  };

  const look = () => {
    looks += 1;
    // A stream may be dead and nobody told: then the header has gone on, and the stream has not.
    if (isListening && told < seen) anew();
    const header = document.getElementById("header");
    seen = Number(header.dataset.seq || -1);
    if (cutAt !== null) ask(ALL);
    else ask(looks % AGEING_EVERY ? ["header"] : AGEING);
  };

  setInterval(tick, 1000);
  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ask(ALL);
  });
  say("Connecting", "");
  listen();
})();
