// The page that checks a bundle in a browser. What a bundle says is shown as text,
// never as markup.

import { Refused, decodeTrust, unhex, verify, visible, write } from "./index.js";

const MAX_FILE = 64 << 20;

function element<T extends HTMLElement>(id: string): T {
  const e = document.getElementById(id);
  if (!e) throw new Error(`the page has no ${id}`);
  return e as T;
}

const files: { trust?: File; bundle?: File } = {};

function say(what: string, kind: "" | "good" | "bad", report = ""): void {
  const verdict = element("verdict");
  verdict.textContent = what;
  verdict.className = kind;
  const out = element("report");
  out.textContent = report;
  out.hidden = report === "";
}

async function check(): Promise<void> {
  const { trust, bundle } = files;
  if (!trust || !bundle) return say(`Still to come: ${trust ? "the bundle" : "the root of trust"}.`, "");
  try {
    if (bundle.size > MAX_FILE || trust.size > MAX_FILE) throw new Refused("the file is larger than a bundle can be");
    const read = async (f: File): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await f.arrayBuffer());
    const accepted = element<HTMLInputElement>("rescue").value.trim();
    const root = decodeTrust(await read(trust));
    const report = await verify(await read(bundle), root, undefined, accepted === "" ? [] : [unhex(accepted, true)]);
    say(`The bundle holds, to whoever trusts ${trust.name}. What it says:`, "good", write(report, ""));
  } catch (e) {
    say(`The bundle does not hold: ${visible(e instanceof Error ? e.message : String(e))}`, "bad");
  }
}

/** sort tells a root of trust from a bundle by its size and its first member. */
async function sort(list: FileList): Promise<void> {
  for (const f of list) {
    const head = f.size <= 4096 ? await f.text() : "";
    if (head.includes('"validator_set_hash"') && !head.includes('"version"')) files.trust = f;
    else files.bundle = f;
  }
  await check();
}

for (const name of ["trust", "bundle"] as const) {
  element<HTMLInputElement>(name).addEventListener("change", (e) => {
    const f = (e.target as HTMLInputElement).files?.[0];
    if (f) files[name] = f;
    void check();
  });
}
element("rescue").addEventListener("change", () => void check());
addEventListener("dragover", (e) => e.preventDefault());
addEventListener("drop", (e) => {
  e.preventDefault();
  if (e.dataTransfer) void sort(e.dataTransfer.files);
});
