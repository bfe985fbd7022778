// The whole non-realtime surface of the public JavaScript SDK, played against the emulator: javascript_client.mjs URL FOLDER MEDIA.
//
// Runs beside a node_modules that has @decartai/sdk. What is to be sent is in the folder, and at the address MEDIA. Each
// check is told in a line of JSON: the operation, the case, and what went wrong (null for nothing); the last line lists
// what of the surface was left out.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

import * as sdk from "@decartai/sdk";

const [URL_OF_BOX, FOLDER, MEDIA] = process.argv.slice(2);
const KEY = "dct_real_client";
const PATIENCE = 60_000; // milliseconds for each check; never reached when all is well
const WORDS = "Gr\u00fc\u00dfe vom \u6e56";
const STATES = ["pending", "processing", "completed"];
const { createDecartClient, listModels, models } = sdk;

const called = new Set();
const calm = { ...console };
console.warn = () => {}; // of deprecated names, which are played too
const read = (name, type) => new Blob([readFileSync(`${FOLDER}/${name}`)], { type });
const clip = read("clip.mp4", "video/mp4");
const picture = read("picture.png", "image/png");

function tell(operation, name, wrong) {
  called.add(operation);
  calm.log(JSON.stringify([operation, name, wrong]));
}

const say = (error) => (error instanceof Error ? `${error} ${error.cause ?? ""}`.trim() : JSON.stringify(error));

function patiently(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("took too long")), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Tell whether something comes out right, and return it. */
async function check(operation, name, doing, right) {
  try {
    const result = await patiently(doing());
    tell(operation, name, (await right(result)) ? null : `gave ${JSON.stringify(result)}`);
    return result;
  } catch (error) {
    tell(operation, name, say(error));
  }
}

/** Tell whether something is refused with that code (or name of an error), in these words. */
async function refused(operation, name, doing, code, words = "") {
  try {
    tell(operation, name, `was not refused, but gave ${JSON.stringify(await patiently(doing()))}`);
  } catch (error) {
    const fine = (error.code === code || error.name === code) && error.message.includes(words);
    tell(operation, name, fine ? null : `${say(error)} (not ${code}: ${words})`);
  }
}

const bytes = async (blob) => Buffer.from(await blob.arrayBuffer());

async function isVideo(blob) {
  const data = await bytes(blob);
  const boxes = data.toString("latin1", 4, 8) === "ftyp" && data.includes("moov") && data.includes("mdat");
  return boxes && blob.type === "video/mp4";
}

async function isPicture(blob) {
  const data = await bytes(blob);
  return data.toString("latin1", 1, 4) === "PNG" && data.subarray(-12).includes("IEND") && blob.type === "image/png";
}

/** Return every input that a model has, apart from a reference image. */
function options(model, more = {}) {
  const data = model.kind === "image" ? picture : clip;
  return { model, prompt: WORDS, data, seed: 7, resolution: "720p", enhance_prompt: true, ...more };
}

/** Submit, look until it ends, fetch. */
async function byHand(client, model) {
  const submit = () => client.queue.submit(options(model));
  const job = await check("queue.submit", model.name, submit, (made) => made.status === "pending");
  if (!job) return;
  const seen = new Set([job.status]);
  const look = async () => {
    for (let status = job.status; status !== "completed" && status !== "failed"; seen.add(status)) {
      await new Promise((done) => setTimeout(done, 100));
      status = (await client.queue.status(job.job_id)).status;
    }
    return [...seen];
  };
  await check("queue.status", model.name, look, (states) => isDeepStrictEqual(states, STATES));
  const fits = model.kind === "image" ? isPicture : isVideo;
  await check("queue.result", model.name, () => client.queue.result(job.job_id), fits);
}

/** Submit and poll. */
async function waited(client, model, name = "", more = {}) {
  const seen = new Set();
  const order = options(model, { onStatusChange: (job) => seen.add(job.status), ...more });
  const fits = model.kind === "image" ? isPicture : isVideo;
  const right = async (result) =>
    result.status === "completed" && isDeepStrictEqual([...seen], STATES) && (await fits(result.data));
  await check("queue.submitAndPoll", `${model.name} ${name}`, () => client.queue.submitAndPoll(order), right);
}

/** Play every model of this client's registry. */
async function eachModel(client) {
  const all = [...listModels({ kind: "video" }), ...listModels({ kind: "image" })];
  const pictures = all.filter((model) => model.kind === "image");
  await Promise.all([
    ...all.map((model) => byHand(client, model)),
    ...all.map((model) => waited(client, model)),
    ...pictures.map((model) => check("process", model.name, () => client.process(options(model)), isPicture)),
  ]);
}

/** Give the same video in every way that the client takes. */
async function eachKindOfFile(client) {
  const model = models.video("lucy-2.5");
  const kinds = {
    File: new File([clip], "holiday \u6e56.mp4", { type: "video/mp4" }),
    "Blob without a type": new Blob([await bytes(clip)]),
    ReadableStream: clip.stream(),
    "URL as string": `${MEDIA}/clip.mp4`,
    URL: new URL(`${MEDIA}/clip.mp4`),
  };
  await Promise.all(Object.entries(kinds).map(([kind, data]) => waited(client, model, `from ${kind}`, { data })));
  await waited(client, model, "with a reference image", { reference_image: picture });
  await waited(client, model, "without words", { prompt: "" });
  const alone = { reference_image: picture, prompt: undefined, enhance_prompt: undefined };
  await waited(client, models.video("lucy-restyle-2"), "by a reference image", alone);
  for (const [kind, data] of Object.entries({ number: 7, text: "no URL", "URL of nothing": `${MEDIA}/nothing` })) {
    const submit = () => client.queue.submit(options(model, { data }));
    await refused("queue.submit", `a ${kind} as data`, submit, "INVALID_INPUT");
  }
}

/** See a job fail. */
async function failedJobs(client) {
  const broken = options(models.video("lucy-restyle-v2v"), { data: new Blob(["no media at all"]) });
  const wait = () => client.queue.submitAndPoll(broken);
  await check("queue.submitAndPoll", "a job that fails", wait, (ended) => ended.status === "failed" && ended.job_id);
  const job = await client.queue.submit(broken);
  await refused("queue.result", "too early", () => client.queue.result(job.job_id), "QUEUE_RESULT_ERROR", "409");
}

/** Make every mistake that there is an error for. */
async function mistakes(client) {
  const stranger = createDecartClient({ apiKey: "no-key", baseUrl: URL_OF_BOX });
  const video = models.video("lucy-2.1");
  const image = { ...models.image("lucy-pro-i2i"), kind: "image" };
  const wrongKey = [
    ["queue.submit", () => stranger.queue.submit(options(video)), "QUEUE_SUBMIT_ERROR"],
    ["queue.submitAndPoll", () => stranger.queue.submitAndPoll(options(video)), "QUEUE_SUBMIT_ERROR"],
    ["queue.status", () => stranger.queue.status("x"), "QUEUE_STATUS_ERROR"],
    ["queue.result", () => stranger.queue.result("x"), "QUEUE_RESULT_ERROR"],
    ["process", () => stranger.process(options(image)), "PROCESSING_ERROR"],
    ["tokens.create", () => stranger.tokens.create(), "TOKEN_CREATE_ERROR"],
    ["files.upload", () => stranger.files.upload(picture), "FILES_UPLOAD_ERROR"],
    ["files.get", () => stranger.files.get("file_x"), "FILES_GET_ERROR"],
    ["files.delete", () => stranger.files.delete("file_x"), "FILES_DELETE_ERROR"],
  ];
  for (const [operation, doing, code] of wrongKey) await refused(operation, "wrong key", doing, code, "401");
  await refused("queue.status", "unknown job", () => client.queue.status("nobody"), "QUEUE_STATUS_ERROR", "404");
  await refused("queue.result", "unknown job", () => client.queue.result("nobody"), "QUEUE_RESULT_ERROR", "404");
  const wrongSeed = { seed: -5 };
  const submit = () => client.queue.submit(options(video, wrongSeed));
  await refused("queue.submit", "wrong seed", submit, "QUEUE_SUBMIT_ERROR", "seed");
  await refused("process", "wrong seed", () => client.process(options(image, wrongSeed)), "PROCESSING_ERROR", "seed");
  const mine = { ...video, name: "nobody", urlPath: "/v1/generate/nobody", queueUrlPath: "/v1/jobs/nobody" };
  const unknown = () => client.queue.submit(options(mine));
  await refused("queue.submit", "an unknown model of one's own", unknown, "QUEUE_SUBMIT_ERROR", "405");
  for (const name of ["submit", "submitAndPoll"]) {
    const wrong = () => client.queue[name](options(video, { prompt: 7 }));
    await refused(`queue.${name}`, "a prompt of the wrong type", wrong, "INVALID_INPUT");
  }
  await refused("process", "no prompt", () => client.process(options(image, { prompt: "" })), "INVALID_INPUT");
  for (const kind of ["video", "image"]) {
    await refused(`models.${kind}`, "unknown", async () => models[kind]("nobody"), "MODEL_NOT_FOUND");
  }
  await refused("createDecartClient", "no key", async () => createDecartClient({ apiKey: "" }), "INVALID_API_KEY");
  const nowhere = async () => createDecartClient({ apiKey: KEY, baseUrl: "nowhere" });
  await refused("createDecartClient", "no URL", nowhere, "INVALID_BASE_URL");
  const abort = (doing) => () => doing(AbortSignal.abort());
  const submitAborted = abort((signal) => client.queue.submit(options(video, { signal })));
  await refused("queue.submit", "aborted", submitAborted, "AbortError");
  await refused("process", "aborted", abort((signal) => client.process(options(image, { signal }))), "AbortError");
}

/** Mint client tokens, and use one. */
async function tokens(client) {
  const constraints = { realtime: { maxSessionDuration: 300 } };
  const scope = {
    metadata: { role: "viewer" },
    expiresIn: 120,
    allowedModels: ["lucy-2.5"],
    allowedOrigins: ["https://example.com"],
    constraints,
  };
  const create = (order) => () => client.tokens.create(order);
  const minted = (made) => made.apiKey.startsWith("ek_") && made.token.startsWith("eyJ") && made.expiresAt;
  const plain = await check("tokens.create", "plain", create(), (made) => minted(made) && made.permissions == null);
  const right = (made) => minted(made) && isDeepStrictEqual(made.constraints, constraints);
  const scoped = (made) => right(made) && isDeepStrictEqual(made.permissions.models, ["lucy-2.5"]);
  await check("tokens.create", "with everything", create(scope), scoped);
  await refused("tokens.create", "wrong expiry", create({ expiresIn: 4000 }), "TOKEN_CREATE_ERROR", "422");
  if (!plain) return;
  for (const apiKey of [plain.apiKey, plain.token]) {
    const holder = createDecartClient({ apiKey, baseUrl: URL_OF_BOX });
    const submit = () => holder.queue.submit(options(models.video("lucy-2.5")));
    await check("queue.submit", "with a client token", submit, (job) => job.status === "pending");
    await refused("tokens.create", "by a client token", () => holder.tokens.create(), "TOKEN_CREATE_ERROR", "403");
  }
}

/** Upload files, ask for them, delete them. */
async function files(client) {
  const day = 24 * 60 * 60 * 1000;
  const lives = (file) => Date.parse(file.expires_at) - Date.parse(file.created_at);
  const fits = (file) => file.id.startsWith("file_") && file.mime_type === "image/png" && file.size_bytes === picture.size;
  const named = new File([picture], "holiday \u6e56.png", { type: "image/png" });
  const upload = (file, order) => () => client.files.upload(file, order);
  const kept = await check("files.upload", "a Blob", upload(picture), (file) => fits(file) && lives(file) === day);
  const hasName = (file) => fits(file) && file.filename === named.name;
  await check("files.upload", "a File for a minute", upload(named, { ttlSeconds: 60 }), (file) => hasName(file) && lives(file) === 60_000);
  const forEver = (file) => fits(file) && file.expires_at === null;
  await check("files.upload", "for ever", upload(picture, { ttlSeconds: "persistent" }), forEver);
  await refused("files.upload", "wrong lifetime", upload(picture, { ttlSeconds: 1 }), "INVALID_INPUT");
  await refused("files.upload", "aborted", upload(picture, { signal: AbortSignal.abort() }), "AbortError");
  if (!kept) return;
  await check("files.get", "", () => client.files.get(kept.id), (file) => isDeepStrictEqual(file, kept));
  await check("files.delete", "", () => client.files.delete(kept.id), (nothing) => nothing === undefined);
  await refused("files.get", "one that is deleted", () => client.files.get(kept.id), "FILES_GET_ERROR", "404");
  await refused("files.delete", "one that is deleted", () => client.files.delete(kept.id), "FILES_DELETE_ERROR", "404");
  await refused("files.get", "a strange id", () => client.files.get("../jobs/x?y=\u6e56"), "FILES_GET_ERROR", "404");
}

/** Call the functions that ask no server. */
async function lookups() {
  const calls = {
    isModel: ["lucy-2.5", true],
    isVideoModel: ["lucy-2.5", true],
    isImageModel: ["lucy-2.5", false],
    isCanonicalModel: ["lucy-pro-v2v", false],
    resolveModelAlias: ["lucy-pro-v2v", "lucy-clip"],
    resolveCanonicalModelAlias: ["lucy-pro-v2v", "lucy-clip"],
    resolveFpsNumber: [25, 25],
  };
  for (const [name, [given, due]] of Object.entries(calls)) {
    await check(name, "", async () => sdk[name](given), (result) => result === due);
  }
  const listed = (all) => all.length > 0 && all.every((model) => sdk.isCanonicalModel(model.name));
  await check("listModels", "canonical", async () => listModels({ canonicalOnly: true }), listed);
}

/** Return what of the surface, realtime aside, no check has called. */
function leftOut(client) {
  const functions = (prefix, owner) =>
    Object.entries(owner).flatMap(([name, member]) => {
      if (typeof member === "function") return [prefix + name];
      return prefix === "" && member && typeof member === "object" ? functions(`${name}.`, member) : [];
    });
  return [...functions("", client), ...functions("", sdk)].filter((name) => !called.has(name)).sort();
}

const client = createDecartClient({ apiKey: KEY, baseUrl: URL_OF_BOX, integration: "real_clients/1" });
const plays = [eachModel, eachKindOfFile, failedJobs, mistakes, tokens, files, lookups];
await Promise.all(plays.map((play) => play(client)));
calm.log(JSON.stringify({ "left out": leftOut(client) }));
