// The root of trust (docs/format-bundle.md, "Root of trust").

import { type Bytes, isZero, refuse, unhex } from "./bytes.js";
import { type Value, parse } from "./json.js";

export interface Trust {
  readonly chainID: string;
  readonly height: bigint;
  readonly time: bigint;
  readonly headerHash: Bytes;
  readonly setHash: Bytes;
}

const MEMBERS = ["chain_id", "height", "time", "header_hash", "validator_set_hash"];

/** decodeTrust reads a root of trust: exactly its five members, each once. */
export function decodeTrust(b: Bytes): Trust {
  if (b.length > 4096) refuse("a root of trust of more than 4,096 bytes");
  const v = parse(b, true);
  if (v.kind !== "object" || v.members.length !== MEMBERS.length || !MEMBERS.every((m) => v.members.some((e) => e.name === m))) {
    return refuse("a root of trust needs chain_id, height, time, header_hash and validator_set_hash, each once, and nothing else");
  }
  const of = (name: string): Value => v.members.find((e) => e.name === name)!.value;
  const str = (name: string): string => {
    const m = of(name);
    return m.kind === "string" ? m.text : refuse(`${name} of the root of trust is no string`);
  };
  const height = of("height");
  if (height.kind !== "number" || !/^[1-9][0-9]*$/.test(height.raw) || BigInt(height.raw) >= 1n << 63n) return refuse("the root of trust has no height");
  const hash = (name: string): Bytes => {
    const h = unhex(str(name), true);
    return h.length === 32 && !isZero(h) ? h : refuse(`${name} of the root of trust is no hash`);
  };
  const t = { chainID: str("chain_id"), height: BigInt(height.raw), time: timeOf(str("time")), headerHash: hash("header_hash"), setHash: hash("validator_set_hash") };
  if (t.chainID === "") refuse("the root of trust has no chain id");
  return t;
}

/** timeOf reads RFC 3339 with any offset, to the nanosecond. */
function timeOf(s: string): bigint {
  const m = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.]([0-9]+))?(Z|[+-]([0-9]{2}):([0-9]{2}))$/.exec(s);
  if (!m) return refuse("time of the root of trust is no time");
  const [y, mo, d, h, mi, sec] = m.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const day = new Date(0);
  day.setUTCFullYear(y, mo - 1, d); // Date.UTC takes the years below 100 for others
  day.setUTCHours(h, mi, sec);
  const there = day.toISOString().slice(-24, -5).endsWith(s.slice(0, 19)) && y > 0;
  const offset = m[8] === "Z" ? 0 : Number(m[9]) * 60 + Number(m[10]);
  if (!there || (m[8] !== "Z" && (Number(m[9]) > 23 || Number(m[10]) > 59))) return refuse("time of the root of trust is no time");
  const seconds = BigInt(day.getTime()) / 1000n - BigInt(m[8]![0] === "-" ? -offset : offset) * 60n;
  if (seconds < 0n) refuse("time of the root of trust is before 1970");
  return seconds * 1000000000n + BigInt((m[7] ?? "").slice(0, 9).padEnd(9, "0"));
}
