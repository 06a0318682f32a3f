// Ages that go on, a stream that is watched, a picture's preview. Everything works without this file, only not live.
"use strict";

(() => {
  const CUT_AFTER_MS = 8000; // the stream's clock comes every 3 s: two of them missed is no accident
  const root = document.documentElement;
  const ages = (document.querySelector('meta[name="ages"]')?.content || "").split("|");
  let serverAheadMs = Number(root.dataset.now) - Date.now();
  let heardMs = performance.now();

  const ageText = (ageMs) => {
    const s = Math.max(0, ageMs) / 1000;
    if (s < 1) return ages[0];
    const [text, unit] = s < 60 ? [ages[1], 1] : s < 3600 ? [ages[2], 60] : s < 86400 ? [ages[3], 3600] : [ages[4], 86400];
    return text.replace("#", String(Math.floor(s / unit)));
  };

  const tick = (within = document) => {
    const now = Date.now() + serverAheadMs;
    for (const one of within.querySelectorAll(".age[data-at]")) {
      const text = ageText(now - Number(one.dataset.at));
      if (one.textContent !== text) one.textContent = text;
    }
  };

  const showCut = (isCut) => {
    document.body.classList.toggle("is-cut", isCut);
    const strip = document.getElementById("cut");
    if (strip) strip.hidden = !isCut;
  };

  const showLost = () => document.body.classList.toggle("is-lost", document.querySelector("[data-lost]") !== null);

  const heard = () => {
    heardMs = performance.now();
    showCut(false);
    const clock = document.querySelector("#clock time");
    if (clock) serverAheadMs = Number(clock.dataset.now) - Date.now();
    showLost();
    tick();
  };

  document.body.addEventListener("htmx:sseMessage", heard);
  document.body.addEventListener("htmx:sseError", () => showCut(true));
  document.body.addEventListener("htmx:responseError", () => window.location.reload());
  window.setInterval(() => {
    if ("live" in document.body.dataset && performance.now() - heardMs > CUT_AFTER_MS) showCut(true);
    tick();
  }, 500);

  document.addEventListener("change", (event) => {
    const input = event.target;
    const image = input.dataset?.preview && document.getElementById(input.dataset.preview);
    if (!image) return;
    if (image.src) URL.revokeObjectURL(image.src);
    const file = input.files[0];
    image.hidden = !file;
    if (file) image.src = URL.createObjectURL(file);
  });

  for (const form of document.querySelectorAll("form[data-auto-submit]")) form.requestSubmit();
  showLost();
  tick();
})();
