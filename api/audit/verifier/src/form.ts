// What is where in a bundle, and its JSON form (docs/format-bundle.md). Both forms
// are read into one tree of fields, and written again to be compared.

import { type Bytes, Cursor, Writer, be, concat, fields, hex, join, number, refuse, signed64, text, uint, unhex, utf8, uvarint } from "./bytes.js";
import { type Value, parse, quote } from "./json.js";

export type Kind = "number" | "text" | "bytes" | "hashes" | "time" | "trail" | "nest" | "validator" | "vote" | "member" | "ref" | "leaf";

interface FieldForm {
  readonly name: string;
  readonly kind: Kind;
  readonly repeated: boolean;
  readonly of?: Form;
}

export type Form = ReadonlyMap<number, FieldForm>;

type Row = [n: number, name: string, kind: Kind, repeated?: boolean, of?: Form];

const form = (...rows: Row[]): Form =>
  new Map(rows.map(([n, name, kind, repeated = false, of]) => [n, of ? { name, kind, repeated, of } : { name, kind, repeated }]));

const leaf = form([1, "value", "bytes"], [2, "path", "bytes"]);
const header = form([1, "height", "number"], [2, "time", "time"], [3, "next_validators", "bytes"], [4, "app_hash", "bytes"], [5, "beside", "hashes"]);
const commit = form([1, "round", "number"], [2, "parts", "number"], [3, "parts_hash", "bytes"], [4, "votes", "vote", true]);
const trail = form([1, "kind", "trail"], [2, "first", "number"], [3, "beside", "hashes"]);
const subject = form([1, "kind", "number"], [2, "id", "text"], [3, "value", "bytes"], [4, "path", "bytes"], [5, "other_path", "bytes"], [6, "trails", "nest", true, trail]);
const release = form([1, "container", "text"], [2, "epoch", "number"], [3, "leaf", "nest", false, leaf]);
const key = form([1, "id", "text"], [2, "leaf", "nest", false, leaf]);
const partner = form([1, "id", "text"], [2, "leaf", "nest", false, leaf], [3, "keys", "nest", true, key]);
const result = form([1, "code", "number"], [2, "effect", "number"], [3, "flags", "number", true]);
const message = form(
  [1, "index", "number"], [2, "trails", "ref", true], [3, "kind", "number"], [4, "duplicate_key", "bytes"], [5, "result", "nest", false, result], [6, "inclusion", "hashes"],
  [7, "secret", "bytes"], [8, "members", "member", true], [9, "withheld", "leaf", true], [10, "skeleton", "bytes"], [12, "salts", "hashes"], [13, "body_root", "bytes"], [14, "digest", "bytes"],
);
const transaction = form([1, "height", "number"], [2, "position", "number"], [3, "header", "bytes"], [4, "signature", "bytes"], [5, "messages", "nest", true, message]);
const step = form([1, "header", "nest", false, header], [2, "commit", "nest", false, commit], [3, "validators", "validator", true]);
const anchor = form([1, "header", "nest", false, header], [2, "validators_hash", "bytes"], [3, "index", "number"], [4, "inclusion", "hashes"]);
const block = form(
  [1, "height", "number"], [2, "time", "time"], [3, "time_path", "hashes"], [4, "parts", "number"], [5, "parts_hash", "bytes"], [6, "next_path", "hashes"], [7, "index", "number"], [8, "inclusion", "hashes"],
);
const scope = form([1, "containers", "number"], [2, "ancestors", "number"], [3, "names", "number"], [4, "times", "number"], [5, "units", "number"]);
const cosignature = form([1, "name", "text"], [2, "time", "number"], [3, "signature", "bytes"]);
const witnessed = form(
  [1, "size", "number"], [2, "index", "number"], [3, "inclusion", "hashes"], [4, "header", "nest", false, header], [5, "validators_hash", "bytes"],
  [6, "cosignatures", "nest", true, cosignature], [7, "timestamp", "bytes"],
);

const rescue = form([1, "document", "bytes"], [2, "path", "bytes"]);
const handover = form([1, "leaf", "nest", false, leaf], [2, "dispute", "nest", false, leaf]);

/** BUNDLE is the form of the whole. */
export const BUNDLE: Form = form(
  [1, "version", "number"], [2, "scope", "nest", false, scope], [3, "chain_id", "text"], [4, "header", "nest", false, header], [5, "commit", "nest", false, commit],
  [6, "validators", "validator", true], [7, "subjects", "nest", true, subject], [9, "releases", "nest", true, release], [11, "partners", "nest", true, partner],
  [12, "transactions", "nest", true, transaction], [13, "balances", "nest", true, leaf], [14, "steps", "nest", true, step], [15, "anchor", "nest", false, anchor],
  [16, "witnessed", "nest", true, witnessed], [17, "accumulator", "nest", false, leaf], [18, "blocks", "nest", true, block],
  [19, "rescues", "nest", true, rescue], [20, "handovers", "nest", true, handover], [21, "units", "nest", false, leaf],
);

const MAX_FIELDS = 1_000_000;
const MAX_BUNDLE = 64 << 20;

/** Node is the fields of a bundle or of what is nested in it. */
export class Node {
  constructor(private readonly values: ReadonlyMap<number, readonly (Bytes | Node)[]>) {}

  has(n: number): boolean {
    return this.values.has(n);
  }

  /** bytes is a field's value; what is left out is empty. */
  bytes(n: number): Bytes {
    const v = this.values.get(n)?.[0];
    return v instanceof Uint8Array ? v : v === undefined ? new Uint8Array(0) : refuse("a field of another kind");
  }

  all(n: number): readonly Bytes[] {
    return (this.values.get(n) ?? []) as readonly Bytes[];
  }

  nest(n: number): Node | undefined {
    return this.values.get(n)?.[0] as Node | undefined;
  }

  nests(n: number): readonly Node[] {
    return (this.values.get(n) ?? []) as readonly Node[];
  }

  uint(n: number, most: bigint): bigint {
    return this.has(n) ? uint(this.bytes(n), most) : 0n;
  }

  text(n: number): string {
    return text(this.bytes(n));
  }
}

/** readBinary reads the binary form: its fields as they are nested. */
export function readBinary(b: Bytes): Node {
  if (b.length > MAX_BUNDLE) refuse("a bundle of more than 64 MiB");
  const left = { fields: MAX_FIELDS };
  if (b[0] !== 1) refuse("a bundle that does not begin with its version");
  return readNode(BUNDLE, b, left);
}

function readNode(f: Form, b: Bytes, left: { fields: number }): Node {
  const values = new Map<number, (Bytes | Node)[]>();
  for (const { n, v } of fields(b)) {
    if (--left.fields < 0) refuse(`a bundle of more than ${MAX_FIELDS} fields`);
    const of = f.get(n) ?? refuse(`field ${n} is unknown`);
    const list = values.get(n) ?? [];
    if (list.length > 0 && !of.repeated) refuse(`${of.name}: it is there twice`);
    if (v.length === 0) refuse(`${of.name}: it is there without a value`); // what is empty is left out
    list.push(of.of ? readNode(of.of, v, left) : v);
    values.set(n, list);
  }
  return new Node(values);
}

// The JSON form.

/** fromJSON reads the JSON form into the binary one. */
export function fromJSON(b: Bytes): Bytes {
  if (b.length > MAX_BUNDLE) refuse("a bundle of more than 64 MiB");
  const binary = writeNode(BUNDLE, parse(b, true));
  if (toJSON(binary) !== withoutBlanks(text(b))) refuse("a bundle that is not in its one JSON form");
  return binary;
}

/** withoutBlanks drops blanks between tokens of a JSON text: by hand, since a regular expression runs out of stack in a long string. */
function withoutBlanks(s: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c === 0x22) {
      for (i++; i < s.length && s.charCodeAt(i) !== 0x22; i++) if (s.charCodeAt(i) === 0x5c) i++;
    } else if (c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d) {
      if (i > from) parts.push(s.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(s.slice(from));
  return parts.join("");
}

function writeNode(f: Form, v: Value): Bytes {
  if (v.kind !== "object") return refuse("JSON: an object is expected");
  const w = new Writer();
  const byName = new Map([...f].map(([n, of]) => [of.name, { n, of }]));
  for (const m of v.members) {
    const { n, of } = byName.get(m.name) ?? refuse(`JSON: member ${quote(m.name)} is unknown`);
    if (!of.repeated) {
      w.always(n, writeValue(of, m.value));
      continue;
    }
    if (m.value.kind !== "array") return refuse("JSON: a list is expected");
    for (const e of m.value.values) w.always(n, writeValue(of, e));
  }
  return w.bytes();
}

const str = (v: Value | undefined): string => (v?.kind === "string" ? v.text : refuse("JSON: a string is expected"));

function decimalDigits(s: string): bigint {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(s) || BigInt(s) >= 1n << 64n) refuse("JSON: a number in a string is expected");
  return BigInt(s);
}

function parts(v: Value, ...names: string[]): string[] {
  if (v.kind !== "object" || v.members.length !== names.length) return refuse("JSON: an object of a fixed form is expected");
  return names.map((name, i) => (v.members[i]!.name === name ? str(v.members[i]!.value) : refuse("JSON: an object of a fixed form is expected")));
}

function writeValue(of: FieldForm, v: Value): Bytes {
  switch (of.kind) {
    case "nest":
      return writeNode(of.of!, v);
    case "text":
      return utf8(str(v));
    case "bytes":
      return unhex(str(v));
    case "number":
      return uvarint(decimalDigits(str(v)));
    case "trail": {
      const b = utf8(str(v));
      return b.length === 1 ? b : refuse("JSON: the letter of a trail is expected");
    }
    case "time":
      return be(timeOf(str(v)), 8);
    case "hashes":
      if (v.kind !== "array") return refuse("JSON: a list is expected");
      return join(v.values.map((e) => unhex(str(e))));
    case "validator": {
      const [k, power] = parts(v, "key", "power") as [string, string];
      return concat(unhex(k), be(decimalDigits(power), 8));
    }
    case "vote": {
      const [index, at, signature] = parts(v, "index", "time", "signature") as [string, string, string];
      return concat(be(decimalDigits(index), 2), be(timeOf(at), 8), unhex(signature));
    }
    case "member": {
      const [name, value] = parts(v, "name", "value") as [string, string];
      return concat(uvarint(utf8(name).length), utf8(name), utf8(value));
    }
    case "ref": {
      const [at, letter] = parts(v, "subject", "trail") as [string, string];
      return concat(uvarint(decimalDigits(at)), utf8(letter));
    }
    case "leaf": {
      const [place, hash] = parts(v, "place", "leaf") as [string, string];
      return concat(uvarint(decimalDigits(place)), unhex(hash));
    }
  }
}

function timeOf(s: string): bigint {
  const m = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z$/.exec(s);
  if (!m) return refuse("JSON: a time is expected");
  const [y, mo, d, h, mi, sec] = m.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  return BigInt(Date.UTC(y, mo - 1, d, h, mi, sec)) * 1000000n + BigInt((m[7] ?? "").padEnd(9, "0"));
}

/** timeText writes nanoseconds since 1970 as RFC 3339, with as many decimals as are needed. */
export function timeText(nanos: bigint): string {
  let seconds = nanos / 1000000000n;
  let rest = nanos % 1000000000n;
  if (rest < 0n) {
    rest += 1000000000n;
    seconds -= 1n;
  }
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const decimals = rest.toString().padStart(9, "0").replace(/0+$/, "");
  return whole + (decimals === "" ? "" : "." + decimals) + "Z";
}

/** toJSON writes the binary form as JSON. */
export function toJSON(b: Bytes): string {
  return nodeJSON(BUNDLE, b);
}

function nodeJSON(f: Form, b: Bytes): string {
  const members: { of: FieldForm; n: number; values: string[] }[] = [];
  for (const { n, v } of fields(b)) {
    const of = f.get(n) ?? refuse(`field ${n} is unknown`);
    const value = valueJSON(of, v);
    const last = members.at(-1);
    if (last && last.n === n) last.values.push(value);
    else members.push({ of, n, values: [value] });
  }
  return "{" + members.map((m) => quote(m.of.name) + ":" + (m.of.repeated ? "[" + m.values.join(",") + "]" : m.values.join(","))).join(",") + "}";
}

function valueJSON(of: FieldForm, v: Bytes): string {
  const num = (n: bigint): string => `"${n}"`;
  switch (of.kind) {
    case "nest":
      return nodeJSON(of.of!, v);
    case "text":
      return quote(text(v));
    case "bytes":
      return quote(hex(v));
    case "number": {
      const c = new Cursor(v);
      const n = c.uvarint();
      return c.done ? num(n) : refuse("no number");
    }
    case "trail":
      return v.length === 1 && v[0]! > 0x20 && v[0]! < 0x80 ? quote(text(v)) : refuse("no letter of a trail");
    case "time":
      return quote(timeText(signed64(v)));
    case "hashes": {
      if (v.length % 32 !== 0) refuse("no hashes");
      const out: string[] = [];
      for (let i = 0; i < v.length; i += 32) out.push(quote(hex(v.subarray(i, i + 32))));
      return "[" + out.join(",") + "]";
    }
    case "validator":
      if (v.length !== 40) refuse("no validator");
      return `{"key":"${hex(v.subarray(0, 32))}","power":${num(number(v.subarray(32)))}}`;
    case "vote":
      if (v.length !== 74) refuse("no vote");
      return `{"index":${num(number(v.subarray(0, 2)))},"time":${quote(timeText(signed64(v.subarray(2, 10))))},"signature":"${hex(v.subarray(10))}"}`;
    case "member": {
      const c = new Cursor(v);
      const name = text(c.take(c.uvarint()));
      return `{"name":${quote(name)},"value":${quote(text(v.subarray(c.at)))}}`;
    }
    case "ref": {
      const c = new Cursor(v);
      const at = c.uvarint();
      return `{"subject":${num(at)},"trail":${quote(text(v.subarray(c.at)))}}`;
    }
    case "leaf": {
      const c = new Cursor(v);
      const place = c.uvarint();
      return `{"place":${num(place)},"leaf":"${hex(v.subarray(c.at))}"}`;
    }
  }
}
