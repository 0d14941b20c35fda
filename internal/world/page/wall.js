// Live updates: when the server says that a platform changed, the board is fetched again. Without this the page reloads by itself.
"use strict";
const board = document.getElementById("board");
const live = document.getElementById("live");
const stream = new EventSource("/wall/events");
let busy = false, again = false;
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch("/wall/board");
    if (answer.ok) {
      const open = [...board.querySelectorAll("details")].map((d) => d.open);
      const next = document.createElement("div");
      next.innerHTML = await answer.text();
      for (const column of next.querySelectorAll(".column")) {
        const name = [...column.classList].find((c) => c !== "column");
        const old = board.querySelector(".column." + CSS.escape(name));
        if (!old) { board.replaceChildren(...next.childNodes); break; }
        if (old.innerHTML !== column.innerHTML) old.replaceWith(column.cloneNode(true));
      }
      const details = board.querySelectorAll("details");
      if (details.length === open.length) details.forEach((d, i) => { d.open = open[i]; });
    }
  } finally {
    busy = false;
    if (again) { again = false; refresh(); }
  }
}
stream.addEventListener("board", refresh);
stream.onopen = () => { live.textContent = "● en direct"; };
stream.onerror = () => { live.textContent = "○ hors ligne"; };
