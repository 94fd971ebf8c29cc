// A menu button by the ARIA authoring practices: arrows, Home, End, Escape, Tab; focus goes back to the button.

import { el } from "./dom.js";

/** items: [{ label, hint, value }]; chosen(value). */
export function menu(button, list, items, chosen) {
  const buttons = items.map((item, i) =>
    el("button", { type: "button", role: "menuitem", tabindex: "-1", "data-value": item.value, click: () => choose(i) },
      el("span", { class: "item" }, item.label), el("span", { class: "item-hint" }, item.hint)));
  list.append(...buttons);

  const isOpen = () => !list.hidden;

  function open(first) {
    list.hidden = false;
    button.setAttribute("aria-expanded", "true");
    buttons.at(first).focus();
  }

  function close(refocus) {
    if (!isOpen()) return;
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (refocus) button.focus();
  }

  function choose(i) {
    close(true);
    chosen(items[i].value);
  }

  button.addEventListener("click", () => (isOpen() ? close(true) : open(0)));
  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    open(event.key === "ArrowDown" ? 0 : -1);
  });
  list.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (event.key === "Tab") close(false);
    else if (to !== undefined) buttons.at(to % buttons.length).focus();
    else return;
    if (event.key !== "Tab") event.preventDefault();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!list.contains(event.target) && !button.contains(event.target)) close(false);
  });
}
