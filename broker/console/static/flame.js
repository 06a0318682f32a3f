// A flame for the installer's phone, drawn by the rising and cooling of many small lights. It needs no network once it
// is loaded, and never repeats itself: a recording that repeats is what a camera is right to pass over.
"use strict";

(() => {
  const canvas = document.getElementById("flame");
  const pen = canvas.getContext("2d", { alpha: false });
  const LIGHTS_MAX = 260;
  const lights = [];
  let wind = 0;
  let lean = 0;
  let breath = 1;

  const fit = () => {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  };

  const light = () => {
    const spread = (Math.random() + Math.random() - 1) * 0.17;
    return {
      x: 0.5 + spread,
      y: 0.8 + Math.random() * 0.03 - Math.abs(spread) * 0.15,
      size: (0.07 + Math.random() * 0.08) * (1 - Math.abs(spread) * 3.2),
      rise: (0.26 + Math.random() * 0.4) * breath,
      age: 0,
      life: (0.7 + Math.random() * 0.9) * (1 - Math.abs(spread) * 3.2),
      turn: Math.random() * 6.28,
    };
  };

  // From nearly white through yellow and orange to red: what a flame's colour does as it cools.
  const colour = (age) => {
    if (age < 0.15) return [255, 214, 120];
    if (age < 0.4) return [255, 176, 52];
    if (age < 0.7) return [255, 112, 16];
    return [220, 52, 8];
  };

  const paint = (one) => {
    const age = one.age / one.life;
    const [r, g, b] = colour(age);
    const alpha = 0.34 * Math.min(1, age * 9) * (1 - age) ** 0.6;
    const side = Math.min(canvas.width * 1.35, canvas.height);
    const radius = Math.max(1, one.size * side * (1.1 - age * 0.6));
    const x = canvas.width / 2 + (one.x - 0.5) * side;
    const y = canvas.height * 0.5 + (one.y - 0.5) * side * 1.15;
    const glow = pen.createRadialGradient(x, y, 0, x, y, radius);
    glow.addColorStop(0, `rgba(${r},${g},${b},${alpha})`);
    glow.addColorStop(1, `rgba(${r},${g},${b},0)`);
    pen.fillStyle = glow;
    pen.beginPath();
    pen.ellipse(x, y, radius, radius * 1.5, 0, 0, 6.2832);
    pen.fill();
  };

  let last = performance.now();
  const draw = (now) => {
    const passed = Math.min(0.05, (now - last) / 1000);
    last = now;
    wind += (Math.random() - 0.5) * 9 * passed - wind * 1.6 * passed;
    lean += (wind - lean) * 3 * passed;
    breath = Math.min(1.35, Math.max(0.65, breath + (Math.random() - 0.5) * 5 * passed));
    for (let born = Math.floor(190 * passed * breath + Math.random()); born > 0 && lights.length < LIGHTS_MAX; born--) lights.push(light());
    pen.globalCompositeOperation = "source-over";
    pen.fillStyle = "#030201";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.globalCompositeOperation = "lighter";
    for (let index = lights.length - 1; index >= 0; index--) {
      const one = lights[index];
      one.age += passed;
      if (one.age >= one.life) {
        lights.splice(index, 1);
        continue;
      }
      one.turn += passed * 7;
      one.y -= one.rise * passed;
      one.x += (Math.sin(one.turn) * 0.045 + lean * 0.22 * (0.9 - one.y) + (0.5 - one.x) * 0.55) * passed;
      paint(one);
    }
    window.requestAnimationFrame(draw);
  };

  // A phone that goes dark burns no more; where it cannot be asked to stay awake, its owner has to touch it.
  const stayAwake = () => navigator.wakeLock?.request("screen").catch(() => null);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && stayAwake());
  document.getElementById("flame-full").addEventListener("click", () => {
    const asked = document.fullscreenElement ? document.exitFullscreen() : canvas.requestFullscreen?.();
    asked?.catch(() => null);
    stayAwake();
  });
  window.addEventListener("resize", fit);
  document.addEventListener("fullscreenchange", fit);
  fit();
  stayAwake();
  window.requestAnimationFrame(draw);
})();
