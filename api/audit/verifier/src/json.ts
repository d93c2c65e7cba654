// The strict JSON of events (docs/format.md, "JSON of events"): one pass over the
// bytes, compact, no member named twice, nested at most 32 deep.

import { type Bytes, refuse, text } from "./bytes.js";

export type Value =
  | { readonly kind: "object"; readonly members: readonly Member[] }
  | { readonly kind: "array"; readonly values: readonly Value[] }
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "number"; readonly raw: string }
  | { readonly kind: "true" | "false" | "null" };

export interface Member {
  readonly name: string;
  readonly value: Value;
  readonly raw: Bytes; // as written
}

const MAX_DEPTH = 32;
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/** parse reads one JSON text: compact, unless blanks between tokens are allowed. */
export function parse(b: Bytes, blanks = false): Value {
  text(b); // all of it is UTF-8
  const p = new Parser(b, blanks);
  const v = p.value(1);
  p.skip();
  if (p.at !== b.length) refuse("JSON: something follows the text");
  return v;
}

class Parser {
  at = 0;
  constructor(
    readonly b: Bytes,
    private readonly blanks: boolean,
  ) {}

  /** skip passes over blanks, where they are allowed. */
  skip(): void {
    while (this.blanks && this.at < this.b.length && " \t\n\r".includes(String.fromCharCode(this.b[this.at]!))) this.at++;
  }

  private next(): number | undefined {
    this.skip();
    return this.b[this.at++];
  }

  private expect(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.b[this.at++] !== word.charCodeAt(i)) refuse("JSON: a token that is none");
    }
  }

  value(depth: number): Value {
    this.skip();
    switch (this.b[this.at]) {
      case 0x7b:
        return this.object(depth);
      case 0x5b:
        return this.array(depth);
      case 0x22:
        return { kind: "string", text: this.string() };
      case 0x74:
        this.expect("true");
        return { kind: "true" };
      case 0x66:
        this.expect("false");
        return { kind: "false" };
      case 0x6e:
        this.expect("null");
        return { kind: "null" };
    }
    const from = this.at;
    while (this.at < this.b.length && "+-.eE0123456789".includes(String.fromCharCode(this.b[this.at]!))) this.at++;
    const raw = text(this.b.subarray(from, this.at));
    if (!NUMBER.test(raw)) refuse("JSON: no value");
    return { kind: "number", raw };
  }

  private object(depth: number): Value {
    if (depth > MAX_DEPTH) refuse("JSON: nested too deep");
    const members: Member[] = [];
    const names = new Set<string>();
    this.at++;
    this.skip();
    if (this.b[this.at] === 0x7d) {
      this.at++;
      return { kind: "object", members };
    }
    for (;;) {
      this.skip();
      if (this.b[this.at] !== 0x22) refuse("JSON: a member without a name");
      const name = this.string();
      if (names.has(name)) refuse(`JSON: member ${JSON.stringify(name)} is there twice`);
      names.add(name);
      if (this.next() !== 0x3a) refuse("JSON: a member without a value");
      this.skip();
      const from = this.at;
      const value = this.value(depth + 1);
      members.push({ name, value, raw: this.b.subarray(from, this.at) });
      const next = this.next();
      if (next === 0x7d) return { kind: "object", members };
      if (next !== 0x2c) refuse("JSON: an object that does not end");
    }
  }

  private array(depth: number): Value {
    if (depth > MAX_DEPTH) refuse("JSON: nested too deep");
    const values: Value[] = [];
    this.at++;
    this.skip();
    if (this.b[this.at] === 0x5d) {
      this.at++;
      return { kind: "array", values };
    }
    for (;;) {
      values.push(this.value(depth + 1));
      const next = this.next();
      if (next === 0x5d) return { kind: "array", values };
      if (next !== 0x2c) refuse("JSON: an array that does not end");
    }
  }

  private string(): string {
    let out = "";
    let from = ++this.at;
    for (;;) {
      const c = this.b[this.at];
      if (c === undefined || c < 0x20) return refuse("JSON: a string that does not end, or holds a control character");
      if (c === 0x22) {
        out += text(this.b.subarray(from, this.at++));
        return out;
      }
      if (c !== 0x5c) {
        this.at++;
        continue;
      }
      out += text(this.b.subarray(from, this.at));
      out += this.escape();
      from = this.at;
    }
  }

  private escape(): string {
    const c = this.b[this.at + 1];
    const plain = c === undefined ? -1 : '"\\/bfnrt'.indexOf(String.fromCharCode(c));
    if (plain >= 0) {
      this.at += 2;
      return '"\\/\b\f\n\r\t'[plain]!;
    }
    const first = this.unit();
    if (first < 0xd800 || first > 0xdfff) return String.fromCharCode(first);
    if (first > 0xdbff) refuse("JSON: half a surrogate pair");
    const second = this.unit();
    if (second < 0xdc00 || second > 0xdfff) refuse("JSON: half a surrogate pair");
    return String.fromCharCode(first, second);
  }

  /** unit reads an escaped code unit. */
  private unit(): number {
    if (this.b[this.at] !== 0x5c || this.b[this.at + 1] !== 0x75) refuse("JSON: an escape that is none");
    const digits = String.fromCharCode(...this.b.subarray(this.at + 2, this.at + 6));
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) refuse("JSON: an escape that is none");
    this.at += 6;
    return parseInt(digits, 16);
  }
}

/** Digits is a number that a double would change: as it was written. */
export class Digits {
  constructor(readonly raw: string) {}

  toString(): string {
    return this.raw;
  }

  /** toJSON is for JSON.stringify, which can write no more than a double: write writes all digits. */
  toJSON(): number {
    return Number(this.raw);
  }
}

/** whole is a whole number as plain data. */
export const whole = (n: bigint): number | Digits => (n > BigInt(Number.MAX_SAFE_INTEGER) ? new Digits(n.toString()) : Number(n));

/** plain is a value as plain data. */
export function plain(v: Value): unknown {
  switch (v.kind) {
    case "object":
      return Object.fromEntries(v.members.map((m) => [m.name, plain(m.value)]));
    case "array":
      return v.values.map(plain);
    case "string":
      return v.text;
    case "number":
      return String(Number(v.raw)) === v.raw ? Number(v.raw) : new Digits(v.raw);
    case "null":
      return null;
    default:
      return v.kind === "true";
  }
}

/** write writes plain data as JSON: every digit of its numbers, and no character that a terminal may obey or a reader not see. */
export function write(v: unknown, indent?: string): string {
  if (v instanceof Digits) return v.raw;
  if (v === null || typeof v !== "object") return visible(JSON.stringify(v));
  const list = Array.isArray(v);
  const inner = indent === undefined ? undefined : indent + "  ";
  const members = list ? v.map((e) => write(e, inner)) : Object.entries(v).flatMap(([k, e]) => (e === undefined ? [] : [visible(quote(k)) + (inner === undefined ? ":" : ": ") + write(e, inner)]));
  const [open, close] = list ? "[]" : "{}";
  if (members.length === 0 || inner === undefined) return open + members.join(",") + close;
  return `${open}\n${inner}${members.join(",\n" + inner)}\n${indent}${close}`;
}

/** visible escapes controls, what turns the direction of writing, and what looks like a space and is none. */
export function visible(s: string): string {
  return s.replace(/(?! )[\p{C}\p{Z}\u115f\u1160\u2800\u3164\uffa0]/gu, (c) => {
    let out = "";
    for (let i = 0; i < c.length; i++) out += "\\u" + c.charCodeAt(i).toString(16).padStart(4, "0");
    return out;
  });
}

/** quote writes a string as JSON.stringify does for text without lone surrogates. */
export function quote(s: string): string {
  return JSON.stringify(s);
}
