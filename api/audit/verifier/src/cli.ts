#!/usr/bin/env node
// verify FILE --trust FILE [--witness KEY ...] [--witnesses-needed N] [--accept-rescue ID
// ...]: what a bundle proves, as JSON; exit status 1 and the reason where it does not
// hold. With --batch, lines of a root of trust, a bundle (both in base64), the ids of
// accepted rescues with commas between, or "-", the number of witnesses that are needed
// and their keys, separated by blanks, come from standard input, and a JSON line
// answers each: {"report": ...} or {"refused": "..."}.

import { closeSync, openSync, readSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Refused, decodeTrust, parseWitnessKey, unhex, verify, visible, write } from "./index.js";

async function answer(trust: Uint8Array<ArrayBuffer>, bundle: Uint8Array, needed: number, keys: string[], accepted: string[]): Promise<{ report?: object; refused?: string }> {
  try {
    return { report: await verify(bundle, decodeTrust(trust), { needed, witnesses: await Promise.all(keys.map(parseWitnessKey)) }, accepted.map((id) => unhex(id, true))) };
  } catch (e) {
    if (e instanceof Refused) return { refused: e.message };
    throw e;
  }
}

/** read reads a file, but not much more of it than a bundle can have. */
function read(name: string): Uint8Array<ArrayBuffer> {
  const file = openSync(name, "r");
  const parts: Uint8Array[] = [];
  try {
    for (let size = 0; size <= 64 << 20; ) {
      const part = new Uint8Array(1 << 20);
      const n = readSync(file, part);
      if (n === 0) break;
      parts.push(part.subarray(0, n));
      size += n;
    }
  } finally {
    closeSync(file);
  }
  return Uint8Array.from(Buffer.concat(parts));
}

const decode = (s: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(s, "base64"));

async function batch(): Promise<number> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const [trust = "", bundle = "", accepted = "-", needed = "0", ...keys] = line.split(" ");
    process.stdout.write(write(await answer(decode(trust), decode(bundle), Number(needed), keys, accepted === "-" ? [] : accepted.split(","))) + "\n");
  }
  return 0;
}

const options = { trust: { type: "string" }, witness: { type: "string", multiple: true }, "witnesses-needed": { type: "string" }, "accept-rescue": { type: "string", multiple: true }, batch: { type: "boolean" } } as const;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (values.batch) return batch();
  const keys = values.witness ?? [];
  const needed = Number(values["witnesses-needed"] ?? keys.length);
  if (positionals.length !== 1 || values.trust === undefined || !Number.isSafeInteger(needed) || needed < 0) {
    process.stderr.write("usage: verify FILE --trust FILE [--witness KEY ...] [--witnesses-needed N] [--accept-rescue ID ...]\n");
    return 2;
  }
  const out = await answer(read(values.trust), read(positionals[0]!), needed, keys, values["accept-rescue"] ?? []);
  if (out.refused !== undefined) {
    process.stderr.write(`the bundle does not hold: ${visible(out.refused)}\n`);
    return 1;
  }
  process.stdout.write(write(out.report, "") + "\n");
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
