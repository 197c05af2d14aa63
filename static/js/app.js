// Small behaviours that HTML cannot do alone. Every page works without them.

const words = document.body.dataset;

// Light or dark, remembered in this browser.
function toggleTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
  root.dataset.theme = theme;
  try {
    localStorage.setItem("koppel-theme", theme);
  } catch {
    // Without storage the choice lasts for this page.
  }
}

// Copying. Plain http has no clipboard object, so the selection is copied there.
// data-copy="#id" copies one element; data-copy-both="#a #b" several, one a line with its label, or
// poured into data-copy-text="KEY:{a};SECRET:{b};".
const valueOf = (element) => element.value ?? element.textContent.trim();

function labelOf(element) {
  const label = element.labels?.[0] ?? document.querySelector(`label[for="${element.id}"]`);
  return label ? `${label.textContent.trim()}: ` : "";
}

function composed(button) {
  const parts = button.dataset.copyBoth.split(/\s+/).map((id) => document.querySelector(id));
  if (!button.dataset.copyText) return parts.map((part) => labelOf(part) + valueOf(part)).join("\n");
  // In one pass: what a person typed is never read as a place to fill.
  return button.dataset.copyText.replace(/\{([\w-]+)\}/g, (place, id) => {
    const part = parts.find((element) => element.id === id);
    return part ? valueOf(part) : place;
  });
}

function select(element) {
  if (element.select) {
    element.focus({ preventScroll: true });
    element.select();
  } else {
    getSelection().selectAllChildren(element);
  }
}

// For text that stands nowhere on the page as a whole. Beside the button, because a dialog makes the rest inert.
function copyThroughTextarea(button, text) {
  const area = document.createElement("textarea");
  area.className = "vh";
  area.readOnly = true;
  area.tabIndex = -1;
  area.value = text;
  button.parentElement.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  button.focus();
  return copied;
}

async function copyThroughClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

async function copy(button) {
  const source = button.dataset.copy && document.querySelector(button.dataset.copy);
  const text = source ? valueOf(source) : composed(button);
  let copied = await copyThroughClipboard(text);
  if (!copied) {
    if (source) select(source);
    copied = source ? document.execCommand("copy") : copyThroughTextarea(button, text);
    if (copied && source) button.focus();
  }
  report(button, copied);
}

// The button shows a tick for a moment, for eyes that rest on it.
function tick(button) {
  const shape = button.querySelector("use");
  if (!shape || button.matches(".copied")) return;
  const before = shape.getAttribute("href");
  shape.setAttribute("href", before.replace(/#.*/, "#check"));
  button.classList.add("copied");
  setTimeout(() => {
    shape.setAttribute("href", before);
    button.classList.remove("copied");
  }, 2000);
}

function report(button, copied) {
  if (copied) tick(button);
  const line = button.closest(".field")?.querySelector("[role=status]");
  const text = copied ? button.dataset.copied || words.copied : words.copyByHand;
  if (!line) return toast(text, copied ? "success" : "warning");
  line.textContent = "";
  line.classList.toggle("failed", !copied);
  requestAnimationFrame(() => { line.textContent = text; });
}

// Quick Connect: the address is checked, the text is copied, then the package's own window opens. The selection is
// copied first, because that is done at once: a browser lets one click copy or open only while it lasts.
async function quickConnect(button) {
  const address = document.getElementById("quick-email");
  address.value = address.value.trim();
  if (!address.reportValidity()) return;
  const text = composed(button);
  const copied = copyThroughTextarea(button, text) || (await copyThroughClipboard(text));
  report(button, copied);
  if (copied && button.dataset.opens) open(button.dataset.opens, "_blank", "noopener");
}

document.getElementById("quick-email")?.addEventListener("keydown", (event) => {
  const button = document.querySelector("[data-quick-connect]");
  if (event.key === "Enter" && !event.repeat && !button.disabled) quickConnect(button);
});

document.getElementById("quick-email")?.addEventListener("input", (event) => {
  const warning = document.getElementById("quick-warning");
  const same = event.target.value.trim().toLowerCase() === event.target.dataset.login.toLowerCase();
  warning.textContent = same ? warning.dataset.text : "";
});

// Messages. Success leaves by itself; what went wrong stays until it is closed.
const toasts = document.getElementById("toasts");

function leaveLater(message) {
  if (!message.matches(".success, .info")) return;
  const leave = () => (message.matches(":hover, :focus-within") ? setTimeout(leave, 3000) : message.remove());
  setTimeout(leave, 9000);
}

function toast(text, level = "success") {
  const message = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  message.classList.add(level);
  message.querySelector("span").textContent = text;
  toasts.append(message);
}

if (toasts) {
  new MutationObserver((changes) => {
    for (const change of changes) change.addedNodes.forEach((node) => node.matches?.(".toast") && leaveLater(node));
  }).observe(toasts, { childList: true });
  // Screen readers announce what is added to a live region, not what it starts with.
  setTimeout(() => toasts.append(...toasts.children), 150);
}

// Forms answer the click at once and cannot be sent twice. data-busy="off" opts out (downloads).
function hold(form, button) {
  form.dataset.sent = "yes";
  button?.setAttribute("aria-busy", "true");
  button?.setAttribute("aria-disabled", "true");
  setTimeout(() => release(form), 20000);
}

function release(form) {
  delete form.dataset.sent;
  for (const button of form.elements) {
    if (button.getAttribute("aria-busy") !== "true") continue;
    button.removeAttribute("aria-busy");
    button.removeAttribute("aria-disabled");
  }
}

const buttonOf = (form) => form.querySelector("button:not([type=button])");
const sentByHtmx = "[hx-post], [hx-put], [hx-patch], [hx-delete]";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    event.stopImmediatePropagation();
  } else if (form.method === "post" && form.dataset.busy !== "off" && !form.matches(sentByHtmx)) {
    hold(form, event.submitter ?? buttonOf(form));
    setTimeout(() => event.defaultPrevented && release(form));
  }
}, true);

document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.target.closest("form");
  if (form?.matches(sentByHtmx)) hold(form, event.detail.requestConfig.triggeringEvent?.submitter ?? buttonOf(form));
});

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.target.closest("form");
  if (form) release(form);
});

addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-sent]").forEach(release);
});

// Menus: first item on opening, arrow keys, Home and End.
const itemsOf = (menu) => [...menu.querySelectorAll("input, a, button")].filter((item) => item.checkVisibility());

document.addEventListener("toggle", (event) => {
  if (event.newState === "open" && event.target.matches(".menu[popover]")) itemsOf(event.target)[0]?.focus();
}, true);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest(".menu[popover]");
  if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  if (event.target.matches("input") && ["Home", "End"].includes(event.key)) return;
  const items = itemsOf(menu);
  const here = items.indexOf(document.activeElement);
  const step = event.key === "ArrowDown" ? here + 1 : here - 1;
  const next = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : (step + items.length) % items.length;
  items[next].focus();
  event.preventDefault();
});

// data-filter-list="#id" narrows the items of a list to those that hold every word typed.
document.addEventListener("input", (event) => {
  if (!event.target.dataset.filterList) return;
  const wanted = event.target.value.toLowerCase().split(/\s+/);
  for (const item of document.querySelector(event.target.dataset.filterList).children) {
    if (item.querySelector(":checked")) continue;
    const text = item.textContent.toLowerCase();
    item.hidden = !wanted.every((word) => text.includes(word));
  }
  const all = event.target.closest(".menu")?.querySelector("[data-search-all]"); // which has more than the list
  if (all) all.search = new URLSearchParams({ q: event.target.value.trim() });
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.dataset.filterList) return;
  itemsOf(event.target.closest(".menu")).find((item) => item.matches("a"))?.click();
});

// data-tick-all="name" ticks every box of that name in its form, and shows whether all are.
document.addEventListener("change", (event) => {
  const form = event.target.form;
  const all = form?.querySelector("[data-tick-all]");
  if (!all) return;
  const boxes = [...form.querySelectorAll(`[name="${all.dataset.tickAll}"]`)];
  if (event.target === all) boxes.forEach((box) => { box.checked = all.checked; });
  const ticked = boxes.filter((box) => box.checked).length;
  all.checked = ticked > 0 && ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
});

// What is typed into a search field was searched while it was typed: leaving the field does not search again,
// which would take away what is clicked just then.
document.addEventListener("change", (event) => {
  if (event.target.type === "search") event.stopPropagation();
}, true);

// What is searched stands in the address: a Secret that is pasted there by mistake goes no further.
document.addEventListener("input", (event) => {
  if (event.target.type !== "search" || !/kps_\w{30}/.test(event.target.value)) return;
  event.stopPropagation();
  event.target.value = "";
  toast(words.searchedSecret, "error");
}, true);

// After "Show more" the focus is in the first of the new rows.
let lastRow, hadFocus;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig } = event.detail;
  lastRow = requestConfig.elt.rel === "next" ? target.lastElementChild : null;
  hadFocus = target.contains(document.activeElement);
});

// After a swap, or on a page with errors, the keyboard goes on where the eye is.
function focusFirstError(root) {
  const field = root.querySelector("[aria-invalid=true]");
  field?.focus();
  return Boolean(field);
}

focusFirstError(document);

document.addEventListener("htmx:afterSettle", (event) => {
  const part = event.detail.elt;
  const added = lastRow?.nextElementSibling;
  lastRow = null;
  if (added) return added.querySelector("a, button, input")?.focus();
  if (focusFirstError(part) || document.activeElement !== document.body) return;
  const menu = part.closest(".menu[popover]");
  if (menu) return itemsOf(menu)[0]?.focus();
  if (!hadFocus) return; // what came by itself takes the focus from nobody
  const place = part.isConnected ? part : document.getElementById("main");
  place.tabIndex = -1;
  place.focus({ preventScroll: true });
});

// An answer that cannot be shown says so.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, () => toast(words.failed, "error"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("themeToggle" in button.dataset) toggleTheme();
  if ("quickConnect" in button.dataset) quickConnect(button);
  else if (button.dataset.copy || button.dataset.copyBoth) copy(button);
  if ("closeToast" in button.dataset) button.closest(".toast").remove();
});

// Fields that are there to be copied select themselves.
document.addEventListener("focusin", (event) => {
  if ("select" in event.target.dataset) event.target.select();
});
