// The screen's page. The agent on this device sends the whole state at every change and every 1.5 s; the page shows it,
// says what it really shows, and says so when the agent falls silent. It loads nothing from elsewhere.

const LINK_LOST_AFTER_MS = 4000;
const HEARTBEAT_EVERY_MS = 2000;
const RECONNECT_MS = 2000;
const PICTURE_WAIT_MS = 4000;
const LOTS_MAX = 12;
const SCALE_MIN = 0.4;
const SCALE_MAX = 1.6;
const WHERE_SCALE_MIN = 0.3;
const MINUTE_MS = 60_000;

const base = location.pathname.replace(/\/$/, "");
const byId = (id) => document.getElementById(id);
const layers = [byId("layer-a"), byId("layer-b")];

let state = null;
let heardAt = performance.now(); // of the agent's last word
let linkLost = false;
let front = 0; // index of the visible layer
let playing = { signature: "", index: 0, timer: 0 };
let turn = 0; // counts what was begun to be shown: an older one that is still loading gives way
let shown = { showing: "nothing", item: null, generation: 0, paintedUnixMs: Date.now() };

// --- the link to the agent -------------------------------------------------------------------------------------------

function connect() {
  const events = new EventSource(`${base}/events`);
  events.onmessage = (message) => {
    heardAt = performance.now();
    take(JSON.parse(message.data));
  };
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, RECONNECT_MS);
  };
}

function take(fresh) {
  state = fresh;
  byId("market").textContent = state.market_ko;
  showEvacuation(state.fires);
  followPlaylist();
  watchLink();
  tickClock();
}

function watchLink() {
  const lost = performance.now() - heardAt > LINK_LOST_AFTER_MS;
  if (lost !== linkLost) {
    linkLost = lost;
    byId("link-lost").hidden = !lost;
    fit(layers[front]);
  }
  refreshLots();
}

// --- evacuation: above everything, and it stays when the link is lost -------------------------------------------------

function showEvacuation(fires) {
  const section = byId("evacuation");
  if (fires.length === 0) {
    if (section.hidden) return;
    section.hidden = true;
    section.replaceChildren();
    painted(current.showing, current.item);
    return;
  }
  if (section.hidden) {
    section.replaceChildren(document.importNode(byId("evacuation-template").content, true));
    section.hidden = false;
    painted("evacuation", null);
  }
  const [korean, english] = whereText(fires);
  write(section, ".evacuation-where-ko", korean);
  write(section, ".evacuation-where-en", english);
  fitEvacuation();
}

// The style sheet keeps the fixed words apart at any size; names of zones are as long as people make them.
function fitEvacuation() {
  const section = byId("evacuation");
  const words = section.querySelector(".evacuation-words");
  if (!words) return;
  for (let scale = 1; scale >= WHERE_SCALE_MIN; scale -= 0.05) {
    words.style.setProperty("--where-scale", scale.toFixed(2));
    if (section.scrollHeight <= section.clientHeight && words.scrollWidth <= words.clientWidth) return;
  }
}

function whereText(fires) {
  const zones = [...new Set(fires.map((fire) => fire.zone))].sort();
  if (zones.length === 1 && zones[0] === state.zone) return ["이 구역에서 화재", "Fire in this zone"];
  const of = (language) => [...new Set(fires.map((fire) => fire[`zone_${language}`]))].sort().join(", ");
  return [`화재 구역 ${of("ko")}`, `Fire in ${of("en")}`];
}

// --- the playlist ------------------------------------------------------------------------------------------------------

let current = { showing: "nothing", item: null };

function followPlaylist() {
  const signature = JSON.stringify([state.generation, state.playlist, state.items]);
  if (signature === playing.signature) return;
  clearTimeout(playing.timer);
  playing = { signature, index: 0, timer: 0 };
  play();
}

function play() {
  const { items } = state;
  if (items.length === 0) {
    put("standby", null, standby());
    return;
  }
  const item = items[playing.index % items.length];
  const content = item.kind === "occupancy" ? standby() : notice(item);
  put(item.kind === "occupancy" ? "occupancy" : "notice", item.item, content);
  preload(items[(playing.index + 1) % items.length]);
  if (items.length > 1) {
    // By the known duration, never by an event of the content: that may never come.
    playing.timer = setTimeout(() => {
      playing.index = (playing.index + 1) % items.length;
      play();
    }, item.duration_s * 1000);
  }
}

function preload(item) {
  if (item.picture) new Image().src = item.picture;
}

async function put(showing, item, content) {
  turn += 1;
  const mine = turn;
  await ready(content);
  if (mine !== turn) return;
  const back = layers[1 - front];
  back.replaceChildren(content);
  fit(back);
  refreshLots();
  layers[front].classList.remove("front");
  layers[front].setAttribute("aria-hidden", "true");
  back.classList.add("front");
  back.removeAttribute("aria-hidden");
  front = 1 - front;
  current = { showing, item };
  if (byId("evacuation").hidden) painted(showing, item);
}

// A picture that does not load is left out; the words still count.
async function ready(content) {
  const picture = content.querySelector?.("img[src]");
  if (!picture) return;
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), PICTURE_WAIT_MS));
  try {
    await Promise.race([picture.decode(), late]);
  } catch {
    picture.remove();
    content.classList.remove("pictured");
  }
}

function fromTemplate(id) {
  // Imported, not cloned: in a template's own document no picture would ever load.
  return document.importNode(byId(id).content.firstElementChild, true);
}

function notice(item) {
  const article = fromTemplate("notice-template");
  article.querySelector(".notice-title").textContent = item.title;
  article.querySelector(".notice-text").textContent = item.text;
  const picture = article.querySelector("img");
  if (item.picture) {
    picture.src = item.picture;
    article.classList.add("pictured");
  } else {
    picture.remove();
  }
  return article;
}

// Type is as large as the words allow: few words fill the screen, many are not cut off.
function fit(layer) {
  const words = layer.querySelector(".notice-words");
  if (!words) return;
  for (let scale = SCALE_MAX; scale >= SCALE_MIN; scale -= 0.06) {
    words.style.setProperty("--title-scale", String(Math.max(scale, 0.55)));
    words.style.setProperty("--text-scale", String(scale));
    if (words.scrollHeight <= words.clientHeight && words.scrollWidth <= words.clientWidth) return;
  }
}

// --- live values -------------------------------------------------------------------------------------------------------

function standby() {
  return fromTemplate("standby-template");
}

function refreshLots() {
  if (!state) return;
  for (const board of document.querySelectorAll(".standby")) {
    const lots = state.lots.slice(0, LOTS_MAX);
    const holder = board.querySelector(".lots");
    while (holder.children.length > lots.length) holder.lastElementChild.remove();
    while (holder.children.length < lots.length) holder.append(fromTemplate("lot-template"));
    holder.style.setProperty("--columns", String(columns(lots.length)));
    holder.hidden = lots.length === 0;
    board.querySelector(".no-lots").hidden = lots.length > 0;
    const more = state.lots.length - lots.length;
    board.querySelector(".more-lots").hidden = more === 0;
    board.querySelector(".unfed").hidden = state.is_fed;
    write(board, ".unfed", state.is_fed ? "" : "실시간 연결 끊김 · live link lost");
    write(board, ".more-lots", more > 0 ? `외 ${more}곳 · and ${more} more` : "");
    lots.forEach((lot, index) => fillLot(holder.children[index], lot));
  }
}

function columns(count) {
  if (innerHeight > innerWidth) return count <= 3 ? 1 : 2;
  return count <= 3 ? count : Math.ceil(count / 2);
}

function fillLot(card, lot) {
  const ageS = lot.age_s + (performance.now() - heardAt) / 1000;
  const stale = linkLost || !state.is_fed || lot.stale || ageS > state.stale_after_s;
  const known = lot.total - lot.unknown;
  const full = !stale && lot.free === 0 && lot.unknown === 0;
  const blind = lot.stale || ageS > state.stale_after_s || known === 0;
  const word = wordFor({ stale, blind, full });
  card.classList.toggle("stale", stale || blind);
  card.classList.toggle("full", full);
  write(card, ".lot-name", lot.name_ko);
  write(card, ".lot-count", blind ? "–" : full ? "만차" : String(lot.free));
  write(card, ".lot-word-ko", word.ko);
  write(card, ".lot-word-en", word.en);
  write(card, ".lot-of", `전체 ${lot.total}면 · of ${lot.total}`);
  write(card, ".lot-unknown", lot.unknown > 0 ? `확인 안 됨 ${lot.unknown}면 · ${lot.unknown} unknown` : "");
  write(card, ".lot-age", ageText(ageS));
}

function wordFor({ stale, blind, full }) {
  if (blind) return { ko: "확인 안 됨", en: "unknown" };
  if (stale) return { ko: "이전 값", en: "earlier value" };
  return full ? { ko: "빈자리 없음", en: "full" } : { ko: "빈자리", en: "free" };
}

function ageText(ageS) {
  const seconds = Math.floor(ageS);
  if (seconds < 5) return "방금 · just now";
  if (seconds < 60) return `${seconds}초 전 · ${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}분 전 · ${minutes} min ago` : "한 시간 넘음 · over an hour ago";
}

function write(card, selector, text) {
  const element = card.querySelector(selector);
  if (element.textContent !== text) element.textContent = text;
}

// --- the clock: the market's local time, whatever zone the device is set to and whatever its own clock believes ---------

function tickClock() {
  const known = state !== null && state.clock_ahead_ms !== null;
  byId("clock").hidden = byId("date").hidden = byId("date-en").hidden = !known;
  if (!known) return; // a device that does not know the time shows none
  const local = new Date(Date.now() + state.clock_ahead_ms + state.utc_offset_minutes * MINUTE_MS);
  const parts = (locale, options) => new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options }).format(local);
  byId("clock").textContent = parts("ko-KR", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  byId("date").textContent = parts("ko-KR", { month: "long", day: "numeric", weekday: "long" });
  byId("date-en").textContent = parts("en-GB", { month: "long", day: "numeric", weekday: "long" });
}

// --- what the page really shows ----------------------------------------------------------------------------------------

// Two animation frames after the change the browser has painted it; that moment is reported.
function painted(showing, item) {
  const generation = state ? state.generation : 0;
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      shown = { showing, item, generation, paintedUnixMs: Date.now() };
      document.documentElement.dataset.showing = showing;
      post(shown.showing);
    }),
  );
}

// From inside an animation frame: a browser that does not paint is silent, and the agent says so.
function heartbeat() {
  requestAnimationFrame(() => post(shown.showing));
}

function post(showing) {
  const body = JSON.stringify({
    showing,
    item: showing === "notice" || showing === "occupancy" ? shown.item : null,
    generation: shown.generation,
    painted_unix_ms: shown.paintedUnixMs,
  });
  fetch(`${base}/heartbeat`, { method: "POST", body, headers: { "Content-Type": "application/json" } }).catch(() => {
    // The agent is away: its silence is shown by watchLink, and it hears of the page when it is back.
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") post("nothing");
});

tickClock();
connect();
setInterval(watchLink, 500);
setInterval(tickClock, 1000);
setInterval(heartbeat, HEARTBEAT_EVERY_MS);
addEventListener("resize", () => {
  refreshLots();
  fit(layers[front]);
  fitEvacuation();
});
