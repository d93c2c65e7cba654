// Bytes, varints and the fields of the ledger's own encoding (docs/format.md,
// "Fields").

/** Refused is why a bundle does not hold: the first thing that does not. */
export class Refused extends Error {}

export function refuse(why: string): never {
  throw new Refused(why);
}

export type Bytes = Uint8Array<ArrayBuffer>;

export const empty: Bytes = new Uint8Array(0);

export function concat(...parts: readonly Uint8Array[]): Bytes {
  return join(parts);
}

/** join is concat of a list: one that is long does not fit among a call's arguments. */
export function join(parts: readonly Uint8Array[]): Bytes {
  let size = 0;
  for (const p of parts) size += p.length;
  const out = new Uint8Array(size);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** compareBytes orders as memcmp does. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** compareText orders texts by the bytes of their UTF-8, which is the order of code points. */
export function compareText(a: string, b: string): number {
  return a === b ? 0 : compareBytes(utf8(a), utf8(b));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/** text decodes UTF-8, and refuses what is none. */
export function text(b: Uint8Array): string {
  try {
    return decoder.decode(b);
  } catch {
    return refuse("a text is not UTF-8");
  }
}

export function hex(b: Uint8Array): string {
  let out = "";
  for (const v of b) out += (v < 16 ? "0" : "") + v.toString(16);
  return out;
}

/** unhex reads hexadecimal digits; of either case if lax. */
export function unhex(s: string, lax = false): Bytes {
  if (s.length % 2 !== 0 || !(lax ? /^[0-9a-fA-F]*$/ : /^[0-9a-f]*$/).test(s)) refuse("no hexadecimal digits");
  const out = new Uint8Array(s.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(s.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function be(v: bigint | number, size: number): Bytes {
  let n = BigInt.asUintN(8 * size, BigInt(v));
  const out = new Uint8Array(size);
  for (let i = size - 1; i >= 0; i--) {
    out[i] = Number(n & 0xffn);
    n >>= 8n;
  }
  return out;
}

export const be32 = (v: number): Bytes => be(v, 4);
export const be64 = (v: bigint | number): Bytes => be(v, 8);

/** number reads big-endian bytes as an unsigned number. */
export function number(b: Uint8Array): bigint {
  let n = 0n;
  for (const v of b) n = (n << 8n) | BigInt(v);
  return n;
}

/** signed64 reads eight big-endian bytes in two's complement. */
export function signed64(b: Uint8Array): bigint {
  if (b.length !== 8) refuse("no number of 8 bytes");
  return BigInt.asIntN(64, number(b));
}

export function uvarint(v: bigint | number): Bytes {
  let n = BigInt(v);
  const out: number[] = [];
  while (n >= 0x80n) {
    out.push(Number(n & 0x7fn) | 0x80);
    n >>= 7n;
  }
  out.push(Number(n));
  return Uint8Array.from(out);
}

/** Cursor reads bytes from the front. */
export class Cursor {
  at = 0;
  constructor(readonly b: Bytes) {}

  get done(): boolean {
    return this.at >= this.b.length;
  }

  /** uvarint reads a minimal varint of at most 64 bits. */
  uvarint(): bigint {
    let n = 0n;
    for (let i = 0; ; i++) {
      const v = this.b[this.at];
      if (v === undefined || i > 9 || (i === 9 && v > 1)) return refuse("no varint");
      this.at++;
      n |= BigInt(v & 0x7f) << BigInt(7 * i);
      if (v < 0x80) {
        if (v === 0 && i > 0) refuse("a varint that is not minimal");
        return n;
      }
    }
  }

  take(size: bigint | number): Bytes {
    const n = Number(size);
    if (n > this.b.length - this.at) refuse("it is cut short");
    const out = this.b.subarray(this.at, this.at + n);
    this.at += n;
    return out;
  }
}

export interface Field {
  readonly n: number;
  readonly v: Bytes;
}

/** fields reads fields with ascending numbers; which may repeat, their reader knows. */
export function* fields(b: Bytes): Generator<Field> {
  const c = new Cursor(b);
  let last = 0n;
  while (!c.done) {
    const n = c.uvarint();
    const size = c.uvarint();
    if (n === 0n || n < last) refuse(`field ${n} after field ${last}`);
    last = n;
    yield { n: n > 1000n ? 1000 : Number(n), v: c.take(size) };
  }
}

/** uint is the value of a field that is a number: a minimal varint, not zero. */
export function uint(v: Bytes, most: bigint = (1n << 64n) - 1n): bigint {
  const c = new Cursor(v);
  const n = c.uvarint();
  if (!c.done || n === 0n || n > most) refuse("no minimal non-zero varint in its bounds");
  return n;
}

export const MAX_COUNT = 1n << 62n;
export const MAX_UINT32 = (1n << 32n) - 1n;

export function uint32(v: Bytes): number {
  return Number(uint(v, MAX_UINT32));
}

export function fixed(v: Bytes, size: number): Bytes {
  if (v.length !== size) refuse(`no value of ${size} bytes`);
  return v;
}

/** hashesIn splits hashes in a row. */
export function hashesIn(v: Bytes, most: number): Bytes[] {
  if (v.length % 32 !== 0 || v.length === 0 || v.length > 32 * most) refuse("no hashes");
  const out: Bytes[] = [];
  for (let i = 0; i < v.length; i += 32) out.push(v.subarray(i, i + 32));
  return out;
}

/** Writer writes fields, and leaves out what is empty or zero. */
export class Writer {
  private parts: Bytes[] = [];

  field(n: number, v: Uint8Array | undefined): this {
    if (v !== undefined && v.length > 0) this.always(n, v);
    return this;
  }

  always(n: number, v: Uint8Array): this {
    this.parts.push(uvarint(n), uvarint(v.length), v as Bytes);
    return this;
  }

  text(n: number, s: string): this {
    return this.field(n, utf8(s));
  }

  uint(n: number, v: bigint | number): this {
    return BigInt(v) === 0n ? this : this.always(n, uvarint(v));
  }

  bytes(): Bytes {
    return join(this.parts);
  }
}

export function isZero(b: Uint8Array): boolean {
  for (const v of b) if (v !== 0) return false;
  return true;
}
