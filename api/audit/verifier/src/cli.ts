#!/usr/bin/env node
// verify FILE --trust FILE: what a bundle proves, as JSON; exit status 1 and the
// reason where it does not hold. With --batch, lines of a root of trust and a bundle
// in base64, separated by a blank, come from standard input, and a JSON line answers
// each: {"report": ...} or {"refused": "..."}.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Refused, decodeTrust, verify } from "./index.js";

async function answer(trust: Uint8Array<ArrayBuffer>, bundle: Uint8Array): Promise<{ report?: object; refused?: string }> {
  try {
    return { report: await verify(bundle, decodeTrust(trust)) };
  } catch (e) {
    if (e instanceof Refused) return { refused: e.message };
    throw e;
  }
}

const decode = (s: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(s, "base64"));

async function main(args: string[]): Promise<number> {
  if (args.length === 1 && args[0] === "--batch") {
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
      const [trust = "", bundle = ""] = line.split(" ");
      process.stdout.write(JSON.stringify(await answer(decode(trust), decode(bundle))) + "\n");
    }
    return 0;
  }
  if (args.length !== 3 || args[1] !== "--trust") {
    process.stderr.write("usage: verify FILE --trust FILE\n");
    return 2;
  }
  const out = await answer(Uint8Array.from(readFileSync(args[2]!)), Uint8Array.from(readFileSync(args[0]!)));
  if (out.refused !== undefined) {
    process.stderr.write(`the bundle does not hold: ${out.refused}\n`);
    return 1;
  }
  process.stdout.write(JSON.stringify(out.report, null, 2) + "\n");
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
