// Zones drawn on a still. The number fields are what is saved; the drawing shows them and writes into them, so nothing
// can be drawn that cannot be typed. Without this file the fields alone do the work.
"use strict";

(() => {
  const form = document.getElementById("zones-form");
  if (!form) return;

  const POINTS_MAX = 32;
  const POINTS_MIN = 3;
  const STEP = 0.5;
  const STEP_FAR = 5;
  const NEAR = 3; // per cent: a click this close to the first point closes the polygon
  const editor = form.querySelector("[data-editor]");
  const drawing = editor.querySelector("svg");
  const said = form.querySelector("[data-said]");
  const template = document.getElementById("zone-template");
  let drawn = null; // the zone that grows with each click
  let dragged = null;
  let moved = false;

  const zones = () => [...form.querySelectorAll("tbody[data-zone]")];
  const rows = (zone) => [...zone.querySelectorAll("ol > li")];
  const pair = (row) => [...row.querySelectorAll("input")];
  const places = (zone) => rows(zone).map((row) => pair(row).map((one) => Number(one.value)));
  const nameOf = (zone) => zone.querySelector('[name$="-name"]').value;
  const isGone = (zone) => zone.querySelector('[name$="-remove"]').checked;
  const clamp = (value) => Math.min(100, Math.max(0, value));
  const write = (row, x, y) => {
    const [across, down] = pair(row);
    across.value = clamp(x).toFixed(2);
    down.value = clamp(y).toFixed(2);
  };

  const node = (name, attributes) => {
    const one = document.createElementNS(drawing.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
    return one;
  };

  const handleLabel = (zone, index) => form.dataset.point.replace("{zone}", nameOf(zone)).replace("{n}", String(index + 1));

  const redraw = (focus) => {
    const kept = focus || drawing.querySelector(":focus")?.dataset;
    const wanted = kept ? { zone: kept.zone, index: Number(kept.index) } : null;
    drawing.replaceChildren();
    for (const zone of zones()) {
      zone.querySelector("[data-count]").textContent = String(rows(zone).length);
      if (isGone(zone)) continue;
      const found = places(zone);
      const kind = zone.querySelector('[name$="-kind"]').value;
      const closed = zone !== drawn;
      const points = found.map((one) => one.join(",")).join(" ");
      drawing.append(node(closed ? "polygon" : "polyline", { points, class: `drawn drawn--${kind}`, "data-zone": zone.dataset.zone }));
      found.forEach(([x, y], index) => {
        const handle = node("path", { d: `M${x} ${y}h0.001`, class: "handle", tabindex: "0", role: "button", "aria-label": handleLabel(zone, index), "data-zone": zone.dataset.zone, "data-index": String(index) });
        drawing.append(handle);
        if (wanted && wanted.zone === zone.dataset.zone && wanted.index === index) handle.focus({ preventScroll: true });
      });
    }
    for (const button of form.querySelectorAll("[data-remove-point]")) button.disabled = rows(button.closest("[data-zone]")).length <= POINTS_MIN;
  };

  const zoneOf = (handle) => zones().find((one) => one.dataset.zone === handle.dataset.zone);

  const addPoint = (zone, x, y, at = rows(zone).length) => {
    const all = rows(zone);
    if (all.length >= POINTS_MAX) return -1;
    const model = template.content.querySelector("li").cloneNode(true);
    for (const input of pair(model)) input.name = input.name.replace("__n__", zone.dataset.zone);
    zone.querySelector("ol").insertBefore(model, all[at] || null);
    write(model, x, y);
    return at;
  };

  const removePoint = (zone, index) => {
    if (rows(zone).length <= POINTS_MIN && zone !== drawn) return;
    rows(zone)[index].remove();
    redraw({ zone: zone.dataset.zone, index: String(Math.max(0, index - 1)) });
  };

  const close = () => {
    if (!drawn) return;
    const zone = drawn;
    if (rows(zone).length < POINTS_MIN) return;
    drawn = null;
    redraw({ zone: zone.dataset.zone, index: "0" });
  };

  const placeOf = (event) => {
    const box = drawing.getBoundingClientRect();
    return [clamp(((event.clientX - box.left) / box.width) * 100), clamp(((event.clientY - box.top) / box.height) * 100)];
  };

  // Which edge of a polygon a point is nearest to: the new corner goes between its ends.
  const nearestEdge = (found, x, y) => {
    let best = [Infinity, 0];
    found.forEach(([ax, ay], index) => {
      const [bx, by] = found[(index + 1) % found.length];
      const length = (bx - ax) ** 2 + (by - ay) ** 2 || 1;
      const along = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length));
      const away = Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
      if (away < best[0]) best = [away, index + 1];
    });
    return best[1];
  };

  const addZone = () => {
    const used = zones().map((one) => Number(one.dataset.zone));
    const number = String(Math.max(-1, ...used) + 1);
    const piece = template.content.cloneNode(true);
    const zone = piece.querySelector("[data-zone]");
    zone.dataset.zone = number;
    for (const input of zone.querySelectorAll("[name]")) input.name = input.name.replace("__n__", number);
    const names = zones().map(nameOf);
    let count = zones().length + 1;
    while (names.includes(`zone-${count}`)) count++;
    zone.querySelector('[name$="-name"]').value = `zone-${count}`;
    zone.querySelector("ol").replaceChildren();
    const table = form.querySelector("table");
    table.append(piece);
    table.hidden = false;
    form.querySelector("[data-none]")?.remove();
    drawn = zones().at(-1);
    said.textContent = document.getElementById("zones-how").textContent;
    redraw();
    editor.scrollIntoView({ block: "nearest" });
  };

  form.querySelector("[data-add-zone]").addEventListener("click", (event) => {
    event.preventDefault();
    addZone();
  });

  drawing.addEventListener("pointerdown", (event) => {
    moved = false;
    const handle = event.target.closest(".handle");
    if (!handle) return;
    event.preventDefault();
    handle.focus({ preventScroll: true });
    dragged = { zone: zoneOf(handle), index: Number(handle.dataset.index) };
    drawing.setPointerCapture(event.pointerId);
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    moved = true;
    write(rows(dragged.zone)[dragged.index], ...placeOf(event));
    redraw({ zone: dragged.zone.dataset.zone, index: String(dragged.index) });
  });
  const drop = () => (dragged = null);
  drawing.addEventListener("pointercancel", drop);
  drawing.addEventListener("pointerup", (event) => {
    const was = dragged;
    drop();
    if (moved) return;
    if (was) {
      if (was.zone === drawn && was.index === 0) close();
      return;
    }
    const [x, y] = placeOf(event);
    if (drawn) {
      const first = places(drawn)[0];
      if (first && rows(drawn).length >= POINTS_MIN && Math.hypot(first[0] - x, first[1] - y) < NEAR) return close();
      const at = addPoint(drawn, x, y);
      return redraw({ zone: drawn.dataset.zone, index: String(at) });
    }
    const polygon = event.target.closest(".drawn") || drawing.querySelector(".drawn");
    const zone = polygon && zoneOf(polygon);
    if (!zone) return addZoneAt(x, y);
    const at = addPoint(zone, x, y, nearestEdge(places(zone), x, y));
    redraw({ zone: zone.dataset.zone, index: String(at) });
  });
  const addZoneAt = (x, y) => {
    addZone();
    addPoint(drawn, x, y);
    redraw({ zone: drawn.dataset.zone, index: "0" });
  };

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  drawing.addEventListener("keydown", (event) => {
    const handle = event.target.closest(".handle");
    if (!handle) return;
    const zone = zoneOf(handle);
    const index = Number(handle.dataset.index);
    const way = ARROWS[event.key];
    if (way) {
      const far = event.shiftKey ? STEP_FAR : STEP;
      const [x, y] = places(zone)[index];
      write(rows(zone)[index], x + way[0] * far, y + way[1] * far);
      redraw({ zone: zone.dataset.zone, index: String(index) });
    } else if (event.key === "Delete" || event.key === "Backspace") {
      removePoint(zone, index);
    } else if (event.key === "Enter") {
      close();
    } else {
      return;
    }
    event.preventDefault();
  });

  form.addEventListener("input", () => redraw());
  form.addEventListener("click", (event) => {
    const zone = event.target.closest("[data-zone]");
    if (event.target.closest("[data-add-point]")) {
      const found = places(zone);
      const [last, first] = [found.at(-1) || [40, 40], found[0] || [60, 60]];
      const at = addPoint(zone, (last[0] + first[0]) / 2, (last[1] + first[1]) / 2);
      if (drawn === zone && rows(zone).length >= POINTS_MIN) drawn = null;
      redraw();
      if (at >= 0) pair(rows(zone)[at])[0].focus();
    } else if (event.target.closest("[data-remove-point]")) {
      removePoint(zone, rows(zone).indexOf(event.target.closest("li")));
    }
  });
  redraw();
})();
