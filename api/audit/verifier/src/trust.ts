// The root of trust (docs/format-bundle.md, "Root of trust").

import { type Bytes, refuse, text, unhex } from "./bytes.js";
import { timeText } from "./form.js";

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
  const whole = text(b);
  let v: unknown;
  try {
    v = JSON.parse(whole);
  } catch {
    return refuse("a root of trust that is no JSON");
  }
  if (typeof v !== "object" || v === null || Array.isArray(v)) return refuse("a root of trust that is no object");
  const o = v as Record<string, unknown>;
  // JSON.parse takes the last of two members of one name: count the names as written.
  const names = [...whole.matchAll(/"((?:[^"\\]|\\.)*)"\s*:/g)].length;
  if (Object.keys(o).length !== MEMBERS.length || names !== MEMBERS.length || !MEMBERS.every((m) => Object.hasOwn(o, m))) {
    return refuse("a root of trust needs chain_id, height, time, header_hash and validator_set_hash, each once, and nothing else");
  }
  const str = (name: string): string => (typeof o[name] === "string" ? (o[name] as string) : refuse(`${name} of the root of trust is no string`));
  const height = o["height"];
  if (typeof height !== "number" || !Number.isSafeInteger(height) || height < 1) return refuse("the root of trust has no height");
  const hash = (name: string): Bytes => {
    const h = unhex(str(name), true);
    return h.length === 32 ? h : refuse(`${name} of the root of trust is no hash`);
  };
  const t = { chainID: str("chain_id"), height: BigInt(height), time: timeOf(str("time")), headerHash: hash("header_hash"), setHash: hash("validator_set_hash") };
  if (t.chainID === "") refuse("the root of trust has no chain id");
  return t;
}

/** timeOf reads RFC 3339 with any offset, to the nanosecond. */
function timeOf(s: string): bigint {
  const m = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.]([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})$/.exec(s);
  if (!m) return refuse("time of the root of trust is no time");
  const [y, mo, d, h, mi, sec] = m.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  let seconds = BigInt(Date.UTC(y, mo - 1, d, h, mi, sec)) / 1000n;
  if (m[8] !== "Z") seconds -= BigInt((m[8]![0] === "-" ? -1 : 1) * (Number(m[8]!.slice(1, 3)) * 60 + Number(m[8]!.slice(4, 6))) * 60);
  return seconds * 1000000000n + BigInt((m[7] ?? "").slice(0, 9).padEnd(9, "0"));
}

export { timeText };
