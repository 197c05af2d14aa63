// The page that shows a Secret once forgets it: on leaving, after ten minutes, and after five minutes in the background.

const minutes = 60 * 1000;
let hideSoon;

// The copy button works here, so nobody needs the field itself: a screen reader says its length, never its value.
for (const field of document.querySelectorAll("input[data-secret]")) {
  field.tabIndex = -1;
  field.ariaHidden = "true";
}

function forget() {
  for (const element of document.querySelectorAll("[data-secret]")) {
    if ("value" in element) {
      element.value = "";
      element.removeAttribute("value");
    } else {
      element.textContent = "";
    }
  }
  for (const button of document.querySelectorAll("[data-copy], [data-copy-both]")) {
    const sources = (button.dataset.copyBoth ?? button.dataset.copy).split(/\s+/);
    if (sources.some((id) => document.querySelector(id)?.matches("[data-secret]"))) button.disabled = true;
  }
}

function show(note) {
  document.querySelectorAll(note).forEach((element) => { element.hidden = false; });
}

function hide() {
  forget();
  show("[data-secret-hidden]");
}

// Whoever leaves before copying anything is asked whether the Secret is stored.
let stored = false;
addEventListener("copy", () => { stored = true; });
addEventListener("click", (event) => {
  if (event.target.closest("[data-secret-stored], [data-copy], [data-copy-both]")) stored = true;
});
addEventListener("beforeunload", (event) => {
  if (!stored) event.preventDefault();
});

addEventListener("pagehide", forget);

addEventListener("pageshow", (event) => {
  if (event.persisted) show("[data-secret-gone]");
});

setTimeout(hide, 10 * minutes);

document.addEventListener("visibilitychange", () => {
  clearTimeout(hideSoon);
  if (document.hidden) hideSoon = setTimeout(hide, 5 * minutes);
});
