// Fuses two dropped pictures or videos by ship-t, in the page.

import * as ort from "./onnxruntime-web/ort.wasm.min.mjs";

const INFRARED = /(^|[^a-z])(ir|infrared|thermal|lwir)([^a-z]|$)/i;
const GREY = 8; // levels that the channels of a grey picture may differ by, after JPEG
const PROPORTIONS = 0.02; // by which the sides' ratios may differ
const LARGEST = 1920; // pixels of the longer side; larger frames are scaled

const at = (id) => document.getElementById(id);
const status = at("status");
const chosen = { visible: null, infrared: null };
let running = 0; // number of the choice that is being fused; an older one stops

class UserError extends Error {}

ort.env.wasm.wasmPaths = new URL("onnxruntime-web/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need headers that few servers send
const model = ort.InferenceSession.create(new URL("ship-t.onnx", import.meta.url).href);

function say(text, failed = false) {
  status.textContent = text;
  status.classList.toggle("fuse-failed", failed);
}

/** The picture or video in a file, ready to be drawn. */
function open(file) {
  const address = URL.createObjectURL(file);
  const movie = file.type.startsWith("video/");
  const element = document.createElement(movie ? "video" : "img");
  return new Promise((resolve, reject) => {
    const fail = () => reject(new UserError(`${file.name}: the browser cannot read it`));
    element.onerror = fail;
    if (movie) {
      Object.assign(element, { muted: true, playsInline: true, loop: true });
      element.onloadeddata = () => resolve({ element, movie, size: [element.videoWidth, element.videoHeight] });
    } else {
      element.onload = () => resolve({ element, movie, size: [element.naturalWidth, element.naturalHeight] });
    }
    element.src = address;
  });
}

/** Bytes of a frame at a size, RGBA. */
function pixels(source, canvas, [width, height]) {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source.element, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

async function fuse(visible, infrared, size) {
  const [width, height] = size;
  const colour = pixels(visible, at("visible-picture"), size);
  const thermal = pixels(infrared, at("infrared-picture"), size);
  const bgr = new Uint8Array(3 * width * height);
  const grey = new Uint8Array(width * height);
  let coloured = 0;
  for (let i = 0; i < grey.length; i++) {
    const [r, g, b] = [thermal[4 * i], thermal[4 * i + 1], thermal[4 * i + 2]];
    if (Math.max(r, g, b) - Math.min(r, g, b) > GREY) coloured++;
    grey[i] = g;
    bgr[3 * i] = colour[4 * i + 2];
    bgr[3 * i + 1] = colour[4 * i + 1];
    bgr[3 * i + 2] = colour[4 * i];
  }
  if (coloured > grey.length / 100) {
    throw new UserError("The infrared picture is in false colour: switch the camera's palette to white hot");
  }
  const { fused } = await (await model).run({
    visible: new ort.Tensor("uint8", bgr, [1, height, width, 3]),
    infrared: new ort.Tensor("uint8", grey, [1, height, width]),
  });
  const shown = new ImageData(width, height);
  for (let i = 0; i < grey.length; i++) {
    shown.data[4 * i] = fused.data[3 * i + 2];
    shown.data[4 * i + 1] = fused.data[3 * i + 1];
    shown.data[4 * i + 2] = fused.data[3 * i];
    shown.data[4 * i + 3] = 255;
  }
  Object.assign(at("fused-picture"), { width, height });
  at("fused-picture").getContext("2d").putImageData(shown, 0, 0);
  at("save").disabled = false;
}

function commonSize(visible, infrared) {
  const [width, height] = visible.size;
  const [other, tall] = infrared.size;
  if (Math.abs((width * tall) / (height * other) - 1) > PROPORTIONS) {
    throw new UserError(
      `The visible picture is ${width}x${height}, the infrared one ${other}x${tall}: ` +
        "they must show the same view and have the same proportions",
    );
  }
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const size = [width, height].map((side) => Math.round(side * scale));
  if (Math.min(...size) < 16) throw new UserError(`${width}x${height} is too small: 16x16 at least`);
  return size;
}

async function show() {
  const mine = ++running;
  if (!chosen.visible || !chosen.infrared) {
    say(`Now the ${chosen.visible ? "infrared" : "visible"} one.`);
    return;
  }
  try {
    say("Fusing…");
    const sources = await Promise.all([open(chosen.visible), open(chosen.infrared)]);
    const [visible, infrared] = sources;
    if (visible.movie !== infrared.movie) throw new UserError("Choose two pictures or two videos");
    const size = commonSize(visible, infrared);
    await model;
    if (visible.movie) {
      await Promise.all(sources.map((source) => source.element.play()));
      await play(sources, size, mine);
    } else {
      const began = performance.now();
      await fuse(visible, infrared, size);
      say(`${size.join("x")} in ${Math.round(performance.now() - began)} ms`);
    }
  } catch (error) {
    if (mine !== running) return;
    say(error instanceof UserError ? error.message : `The browser cannot run the model: ${error.message}`, true);
  }
}

/** Fuses what both videos show, until something else is chosen. */
async function play([visible, infrared], size, mine) {
  while (mine === running) {
    const apart = visible.element.currentTime - infrared.element.currentTime;
    if (Math.abs(apart) > 0.1) infrared.element.currentTime = visible.element.currentTime;
    const began = performance.now();
    await fuse(visible, infrared, size);
    const each = performance.now() - began;
    say(`${size.join("x")}, ${(1000 / each).toFixed(1)} frames/s`);
    await new Promise(requestAnimationFrame);
  }
  for (const source of [visible, infrared]) source.element.pause();
}

function choose(files) {
  const [first, second] = files;
  if (files.length === 2) {
    const turned = INFRARED.test(first.name) && !INFRARED.test(second.name);
    [chosen.visible, chosen.infrared] = turned ? [second, first] : [first, second];
  } else if (files.length === 1) {
    chosen[INFRARED.test(first.name) || (chosen.visible && !chosen.infrared) ? "infrared" : "visible"] = first;
  } else {
    say("Drop two files, a visible and an infrared one", true);
    return;
  }
  show();
}

for (const which of ["visible", "infrared"]) {
  at(which).onchange = ({ target }) => {
    if (target.files.length) {
      chosen[which] = target.files[0];
      show();
    }
  };
}

const drop = at("drop");
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("fuse-over");
};
drop.ondragleave = () => drop.classList.remove("fuse-over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("fuse-over");
  choose([...event.dataTransfer.files]);
};

at("example").onclick = async () => {
  const [visible, infrared] = await Promise.all(
    ["visible", "infrared"].map(async (which) => {
      const answer = await fetch(new URL(`${which}.png`, import.meta.url));
      return new File([await answer.blob()], `${which}.png`, { type: "image/png" });
    }),
  );
  Object.assign(chosen, { visible, infrared });
  show();
};

at("save").onclick = () =>
  at("fused-picture").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "fused.png";
    link.click();
    URL.revokeObjectURL(link.href);
  });

model.then(
  () => chosen.visible || say("Ready."),
  (error) => say(`The browser cannot run the model: ${error.message}`, true),
);
