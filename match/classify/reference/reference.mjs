// Prints what nsfwjs 4.4.0 (MobileNetV2Mid, on TensorFlow.js 4.22.0) says of
// raw pictures: node reference.mjs name.WxH.rgb...
import fs from "fs";
import path from "path";
import * as tf from "@tensorflow/tfjs";
import { load } from "nsfwjs/core";
import { MobileNetV2MidModel } from "nsfwjs/models/mobilenet_v2_mid";

await tf.setBackend("cpu");
const model = await load("MobileNetV2Mid", { modelDefinitions: [MobileNetV2MidModel], size: 224 });
const lines = [];
for (const file of process.argv.slice(2)) {
  const [, name, width, height] = path.basename(file).match(/^(.+)\.(\d+)x(\d+)\.rgb$/);
  const pixels = tf.tensor3d(new Int32Array(fs.readFileSync(file)), [+height, +width, 3], "int32");
  const scores = Array.from(await model.infer(pixels).data());
  lines.push(`${JSON.stringify(name)}: [${scores.map((s) => s.toFixed(7)).join(", ")}]`);
}
fs.writeFileSync("scores.json", `{\n${lines.join(",\n")}\n}\n`);
