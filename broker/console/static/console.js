// Ages that go on, a stream that is watched, a picture's preview. Everything works without this file, only not live.
"use strict";

(() => {
  const CUT_AFTER_MS = 8000; // the stream's clock comes every 3 s: two of them missed is no accident
  const PROBE_EVERY_MS = 5000;
  const root = document.documentElement;
  const ages = (document.querySelector('meta[name="ages"]')?.content || "").split("|");

  // The server's clock is the only one that counts. How long ago it was heard goes by the larger of two measures: one
  // stands still while the machine sleeps, the other jumps when somebody sets the clock; too old is no lie.
  let heard = { server: Number(root.dataset.now), steady: performance.now(), wall: Date.now() };
  const sinceHeardMs = () => Math.max(performance.now() - heard.steady, Date.now() - heard.wall);
  const serverNowMs = () => heard.server + sinceHeardMs();

  const ageText = (ageMs) => {
    const s = Math.max(0, ageMs) / 1000;
    if (s < 1) return ages[0];
    const [text, unit] = s < 60 ? [ages[1], 1] : s < 3600 ? [ages[2], 60] : s < 86400 ? [ages[3], 3600] : [ages[4], 86400];
    return text.replace("#", String(Math.floor(s / unit)));
  };

  const tick = () => {
    const now = serverNowMs();
    for (const one of document.querySelectorAll(".age[data-at]")) {
      const text = ageText(now - Number(one.dataset.at));
      if (one.textContent !== text) one.textContent = text;
    }
  };

  const showCut = (isCut) => {
    document.body.classList.toggle("is-cut", isCut);
    const strip = document.getElementById("cut");
    if (strip && strip.hidden === isCut) strip.hidden = !isCut;
  };

  const showLost = () => document.body.classList.toggle("is-lost", document.querySelector("[data-lost]") !== null);

  // --- the stream
  const hear = () => {
    const clock = document.querySelector("#clock time");
    const server = clock ? Number(clock.dataset.now) : serverNowMs();
    if (server !== heard.server) heard = { server, steady: performance.now(), wall: Date.now() };
    showCut(false);
    showLost();
    keepFocus();
    tick();
  };

  // A server that is back, or that wants a sign-in, is met by loading anew; what somebody has typed is not thrown away.
  let probedMs = performance.now();
  const isTyped = () => [...document.querySelectorAll("main input:not([type=hidden]), main textarea")].some((one) => one.value !== one.defaultValue);
  const probe = async () => {
    probedMs = performance.now();
    const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
    if (answer?.ok && sinceHeardMs() > CUT_AFTER_MS && !isTyped()) window.location.reload();
  };

  document.body.addEventListener("htmx:sseMessage", hear);
  document.body.addEventListener("htmx:sseError", () => showCut(true));
  window.setInterval(() => {
    if ("live" in document.body.dataset && sinceHeardMs() > CUT_AFTER_MS) {
      showCut(true);
      if (performance.now() - probedMs > PROBE_EVERY_MS) probe();
    }
    tick();
  }, 500);
  window.addEventListener("pageshow", (event) => event.persisted && window.location.reload());

  // --- a button that was pressed goes when its section comes anew: the focus stays with what it was about
  let focused = null;
  document.addEventListener("focusin", (event) => {
    focused = event.target.closest?.("[data-keeps-focus]")?.id || null;
  });
  const keepFocus = () => {
    const home = focused && document.activeElement === document.body && document.getElementById(focused);
    if (home) home.focus({ preventScroll: true });
  };

  // --- what the server refuses is said where one looks
  const say = (sentence) => {
    const strip = document.getElementById("problem");
    strip.textContent = sentence;
    strip.hidden = sentence === "";
  };
  document.body.addEventListener("htmx:beforeRequest", () => say(""));
  document.body.addEventListener("htmx:sendError", () => say(document.getElementById("problem").dataset.unsent));
  document.body.addEventListener("htmx:responseError", (event) => {
    let sentence = document.getElementById("problem").dataset.unsent;
    try {
      sentence = JSON.parse(event.detail.xhr.responseText).error || sentence;
    } catch {
      // a proxy's page instead of our JSON: what is prepared is true of that too
    }
    say(sentence);
  });

  // --- a picture is looked at before it is sent
  document.addEventListener("change", (event) => {
    const input = event.target;
    const image = input.dataset?.preview && document.getElementById(input.dataset.preview);
    if (!image) return;
    if (image.src) URL.revokeObjectURL(image.src);
    const file = input.files[0];
    input.setCustomValidity(file && file.size > Number(input.dataset.bytesMax) ? input.dataset.tooLarge : "");
    if (file) input.reportValidity();
    image.hidden = !file;
    if (file) image.src = URL.createObjectURL(file);
  });

  for (const form of document.querySelectorAll("form[data-auto-submit]")) form.requestSubmit();
  showLost();
  tick();
})();
