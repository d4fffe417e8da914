// Asks for the same page every two seconds and puts in what has changed. The page works without it.
"use strict";

const EVERY_MS = 2000;

document.documentElement.classList.add("scripted");
document.getElementById("symbol").addEventListener("change", (event) => event.target.form.submit());

function renew(old, fresh) {
  if (old.outerHTML === fresh.outerHTML) return;
  const scrolled = [...old.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  old.replaceWith(fresh);
  fresh.querySelectorAll(".scroll").forEach((each, n) => { each.scrollLeft = scrolled[n] || 0; });
}

async function refresh() {
  const lost = document.getElementById("lost");
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["clock", "trouble", "summary", "chart", "positions", "open", "orders", "activities", "footer"]) {
      renew(document.getElementById(id), page.getElementById(id));
    }
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

async function keepOn() {
  if (!document.hidden && String(getSelection()) === "") await refresh();
  setTimeout(keepOn, EVERY_MS);
}

setTimeout(keepOn, EVERY_MS);
