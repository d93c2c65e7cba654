// A bundle, decoded and checked as far as its encoding goes (docs/format-bundle.md,
// "Binary form").

import { type Bytes, Cursor, MAX_COUNT, MAX_UINT32, empty, fixed, hashesIn, isZero, number, refuse, signed64, text, uint } from "./bytes.js";
import { type Node, fromJSON, readBinary } from "./form.js";
import type { Result } from "./ledger.js";
import { witnessName } from "./witness.js";

export interface Leaf {
  readonly value: Bytes; // empty where there is none
  readonly path: Bytes;
}

export interface Header {
  readonly height: bigint;
  readonly time: bigint;
  readonly next: Bytes; // empty where the next validators are its own
  readonly app: Bytes;
  readonly beside: readonly Bytes[];
}

export interface Vote {
  readonly index: number;
  readonly time: bigint;
  readonly signature: Bytes;
}

export interface Commit {
  readonly round: bigint;
  readonly parts: bigint;
  readonly partsHash: Bytes;
  readonly votes: readonly Vote[];
}

export interface Validator {
  readonly key: Bytes;
  readonly power: bigint;
}

export type SubjectKind = 1 | 2 | 3 | 4 | 5;
export const [ITEM, CLASS, UNKNOWN, PARTNER, SHIPMENT]: readonly [1, 2, 3, 4, 5] = [1, 2, 3, 4, 5];

export interface TrailPart {
  readonly kind: string; // its letter
  readonly first: bigint;
  readonly beside: readonly Bytes[];
}

export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
  readonly value: Bytes | undefined;
  readonly path: Bytes;
  readonly other: Bytes | undefined;
  readonly trails: readonly TrailPart[];
}

export interface Message {
  readonly index: number;
  readonly trails: readonly { readonly subject: number; readonly kind: string }[];
  readonly kind: number;
  readonly duplicateKey: Bytes;
  readonly result: Result;
  readonly inclusion: readonly Bytes[];
  readonly members: readonly { readonly name: string; readonly value: Bytes }[];
  readonly secret: Bytes | undefined;
  readonly withheld: readonly { readonly place: number; readonly leaf: Bytes }[];
  readonly skeleton: Bytes | undefined;
  readonly salts: readonly Bytes[];
  readonly bodyRoot: Bytes | undefined;
  readonly digest: Bytes | undefined;
  readonly form: "whole" | "partial" | "skeleton" | "withheld";
}

export interface Transaction {
  readonly height: bigint;
  readonly position: number;
  readonly header: Bytes;
  readonly signature: Bytes;
  readonly messages: readonly Message[];
}

export interface Step {
  readonly header: Header | undefined;
  readonly commit: Commit | undefined;
  readonly validators: readonly Validator[];
}

export interface Bundle {
  readonly containers: boolean;
  readonly ancestors: number;
  readonly names: boolean;
  readonly times: boolean;
  readonly units: boolean;
  readonly chainID: string;
  readonly header: Header;
  readonly commit: Commit;
  readonly validators: readonly Validator[];
  readonly subjects: readonly Subject[];
  readonly releases: readonly { readonly container: string; readonly epoch: bigint; readonly leaf: Leaf }[];
  readonly partners: readonly { readonly id: string; readonly leaf: Leaf | undefined; readonly keys: readonly { readonly id: string; readonly leaf: Leaf }[] }[];
  readonly transactions: readonly Transaction[];
  readonly balances: readonly Leaf[];
  readonly steps: readonly Step[];
  readonly anchor: { readonly header: Header; readonly validators: Bytes; readonly index: bigint; readonly inclusion: readonly Bytes[] } | undefined;
  readonly witnessed: readonly WitnessedPart[];
  readonly accumulator: Leaf | undefined;
  readonly blocks: readonly BlockPart[];
  readonly rescues: readonly { readonly document: Bytes; readonly path: Bytes }[];
  readonly handovers: readonly { readonly leaf: Leaf; readonly dispute: Leaf }[];
  readonly unitsLeaf: Leaf | undefined;
}

export interface BlockPart {
  readonly height: bigint;
  readonly time: bigint;
  readonly timePath: readonly Bytes[];
  readonly parts: bigint;
  readonly partsHash: Bytes;
  readonly nextPath: readonly Bytes[];
  readonly index: bigint;
  readonly inclusion: readonly Bytes[];
}

/** WitnessedPart is a checkpoint with the header of the bundle's state in it. */
export interface WitnessedPart {
  readonly size: bigint;
  readonly index: bigint;
  readonly inclusion: readonly Bytes[];
  readonly header: Header | undefined;
  readonly validators: Bytes | undefined;
  readonly cosignatures: readonly { readonly name: string; readonly time: bigint; readonly signature: Bytes }[];
  readonly token: Bytes;
}

/** decode reads a bundle in either form. */
export function decode(b: Bytes): Bundle {
  const first = b[0];
  const json = first === 0x7b || first === 0x20 || first === 0x09 || first === 0x0a || first === 0x0d;
  return bundleOf(readBinary(json ? fromJSON(b) : b));
}

function need<T>(v: T | undefined, what: string): T {
  return v === undefined ? refuse(`${what} is missing`) : v;
}

const optional = (n: Node, field: number): Bytes | undefined => (n.has(field) ? n.bytes(field) : undefined);

/** hash is a field of 32 bytes that is not zero: a zero one is left out. */
function hash(n: Node, field: number): Bytes {
  const v = fixed(n.bytes(field), 32);
  return isZero(v) ? refuse("a hash of zeros is written out") : v;
}

const hashes = (n: Node, field: number, most: number): readonly Bytes[] => (n.has(field) ? hashesIn(n.bytes(field), most) : []);

function exactly(n: Node, field: number, count: number): readonly Bytes[] {
  const list = hashesIn(n.bytes(field), count);
  return list.length === count ? list : refuse("a wrong number of hashes");
}

function bundleOf(n: Node): Bundle {
  if (n.uint(1, MAX_COUNT) !== 2n) refuse(`version ${n.uint(1, MAX_COUNT)}, this verifier reads version 2`);
  const scope = n.nest(2);
  return {
    containers: (scope?.uint(1, 1n) ?? 0n) === 1n,
    ancestors: Number(scope?.uint(2, 17n) ?? 0n),
    names: (scope?.uint(3, 1n) ?? 0n) === 1n,
    times: (scope?.uint(4, 1n) ?? 0n) === 1n,
    units: (scope?.uint(5, 1n) ?? 0n) === 1n,
    chainID: n.text(3),
    header: headerOf(need(n.nest(4), "the header")),
    commit: commitOf(need(n.nest(5), "the commit")),
    validators: n.all(6).map(validatorOf),
    subjects: n.nests(7).map(subjectOf),
    releases: n.nests(9).map((r) => ({ container: r.text(1), epoch: r.uint(2, MAX_COUNT), leaf: leafOf(need(r.nest(3), "the leaf of a release")) })),
    partners: n.nests(11).map((p) => ({
      id: named(p),
      leaf: p.has(2) ? leafOf(p.nest(2)!) : undefined,
      keys: p.nests(3).map((k) => ({ id: named(k), leaf: leafOf(need(k.nest(2), "the leaf of a key")) })),
    })),
    transactions: n.nests(12).map(transactionOf),
    balances: n.nests(13).map(placeOf),
    steps: n.nests(14).map((s) => ({
      header: s.has(1) ? headerOf(s.nest(1)!) : undefined,
      commit: s.has(2) ? commitOf(s.nest(2)!) : undefined,
      validators: s.all(3).map(validatorOf),
    })),
    anchor: n.has(15) ? anchorOf(n.nest(15)!) : undefined,
    witnessed: n.nests(16).map(witnessedOf),
    accumulator: n.has(17) ? leafOf(n.nest(17)!) : undefined,
    blocks: n.nests(18).map(blockOf),
    rescues: n.nests(19).map((r) => ({ document: r.bytes(1), path: r.bytes(2) })),
    handovers: n.nests(20).map((h) => ({ leaf: leafOf(need(h.nest(1), "the leaf of a hand-over")), dispute: placeOf(need(h.nest(2), "what is known of a dispute")) })),
    unitsLeaf: n.has(21) ? leafOf(n.nest(21)!) : undefined,
  };
}

function named(n: Node): string {
  return n.has(1) ? n.text(1) : refuse("a partner or key without id");
}

function placeOf(n: Node): Leaf {
  return n.has(2) ? { value: n.bytes(1), path: n.bytes(2) } : refuse("a leaf without path");
}

function leafOf(n: Node): Leaf {
  return n.has(1) ? placeOf(n) : refuse("a leaf without value");
}

function headerOf(n: Node): Header {
  const height = n.uint(1, MAX_COUNT);
  const app = fixed(n.bytes(4), 32);
  return { height, time: signed64(n.bytes(2)), next: n.has(3) ? hash(n, 3) : empty, app, beside: exactly(n, 5, 6) };
}

function commitOf(n: Node): Commit {
  const votes = n.all(4).map((v) => {
    fixed(v, 74);
    return { index: Number(number(v.subarray(0, 2))), time: signed64(v.subarray(2, 10)), signature: v.subarray(10) };
  });
  if (votes.length > 1000) refuse("too many votes");
  return { round: n.uint(1, (1n << 31n) - 1n), parts: n.uint(2, MAX_UINT32), partsHash: n.bytes(3), votes };
}

function validatorOf(v: Bytes): Validator {
  fixed(v, 40);
  return { key: v.subarray(0, 32), power: signed64(v.subarray(32)) };
}

function subjectOf(n: Node): Subject {
  const kind = Number(n.uint(1, MAX_COUNT));
  if (kind < 1 || kind > 5) refuse(`a subject of kind ${kind}`);
  return {
    kind: kind as SubjectKind,
    id: n.text(2),
    value: optional(n, 3),
    path: n.has(4) ? n.bytes(4) : refuse("a subject without path"),
    other: optional(n, 5),
    trails: n.nests(6).map((t) => {
      const letter = t.bytes(1);
      if (letter.length !== 1) refuse("a trail without kind");
      return { kind: String.fromCharCode(letter[0]!), first: t.uint(2, MAX_COUNT), beside: hashes(t, 3, 128) };
    }),
  };
}

function transactionOf(n: Node): Transaction {
  const messages = n.nests(5).map(messageOf);
  if (messages.length === 0 || !n.has(3) || !n.has(1)) refuse("a transaction without height, header or message");
  return { height: n.uint(1, MAX_COUNT), position: Number(n.uint(2, MAX_UINT32)), header: n.bytes(3), signature: fixed(n.bytes(4), 64), messages };
}

function messageOf(n: Node): Message {
  const form = formOf(n);
  const trails = n.all(2).map((v) => {
    const c = new Cursor(v);
    const subject = c.uvarint();
    const kind = c.take(1);
    if (!c.done || subject > MAX_UINT32) refuse("a message with a trail that is none");
    return { subject: Number(subject), kind: String.fromCharCode(kind[0]!) };
  });
  if (trails.length === 0 || !n.has(3)) refuse("a message without trail or kind");
  const result = n.nest(5);
  return {
    index: Number(n.uint(1, MAX_UINT32)),
    trails,
    kind: Number(n.uint(3, MAX_UINT32)),
    duplicateKey: n.bytes(4),
    result: result ? resultOf(result) : { code: 0, effect: 0, flags: [] },
    inclusion: hashes(n, 6, 64),
    members: n.all(8).map((v) => {
      const c = new Cursor(v);
      const name = text(c.take(c.uvarint()));
      const value = v.subarray(c.at);
      return value.length === 0 ? refuse("a member without value") : { name, value };
    }),
    secret: n.has(7) ? hash(n, 7) : undefined,
    withheld: n.all(9).map((v) => {
      const c = new Cursor(v);
      const place = c.uvarint();
      if (place > MAX_UINT32) refuse("a withheld member beyond all places");
      return { place: Number(place), leaf: fixed(v.subarray(c.at), 32) };
    }),
    skeleton: optional(n, 10),
    salts: hashes(n, 12, 1_000_000),
    bodyRoot: n.has(13) ? hash(n, 13) : undefined,
    digest: n.has(14) ? hash(n, 14) : undefined,
    form,
  };
}

function resultOf(n: Node): Result {
  const flags = n.all(3).map((v) => Number(uint(v, MAX_UINT32)));
  for (let i = 1; i < flags.length; i++) if (flags[i]! <= flags[i - 1]!) refuse("flags that do not ascend");
  return { code: Number(n.uint(1, MAX_UINT32)), effect: Number(n.uint(2, MAX_UINT32)), flags };
}

/** ACT_KIND is the kind of messages that are acts. */
export const ACT_KIND = 3;

/** formOf tells in which of its four forms an event is there. An act's members come with its skeleton. */
function formOf(n: Node): Message["form"] {
  const there = [7, 8, 9, 10, 12, 13, 14].filter((f) => n.has(f)).join(" ");
  const act = n.uint(3, MAX_UINT32) === BigInt(ACT_KIND);
  switch (there) {
    case act ? "7 8 10" : "7 8":
      return "whole";
    case act ? "8 9 10 12" : "8 9 12":
      return "partial";
    case "10 13":
      return "skeleton";
    case "14":
      if (!n.has(4)) return "withheld";
  }
  return refuse("an event that is there in none of its forms");
}

function anchorOf(n: Node): NonNullable<Bundle["anchor"]> {
  return { header: headerOf(need(n.nest(1), "the anchor's header")), validators: hash(n, 2), index: n.uint(3, MAX_COUNT), inclusion: hashes(n, 4, 64) };
}

function witnessedOf(n: Node): WitnessedPart {
  const cosignatures = n.nests(6).map((c) => ({ name: witnessName(c.text(1)), time: c.uint(2, MAX_COUNT), signature: fixed(c.bytes(3), 64) }));
  if (!n.has(1) || cosignatures.length > 32 || (cosignatures.length === 0 && !n.has(7)) || n.bytes(7).length > 64 << 10) refuse("a checkpoint without size, that nobody signed, or with too many signatures");
  return {
    size: n.uint(1, MAX_COUNT),
    index: n.uint(2, MAX_COUNT),
    inclusion: hashes(n, 3, 64),
    header: n.has(4) ? headerOf(n.nest(4)!) : undefined,
    validators: n.has(5) ? hash(n, 5) : undefined,
    cosignatures,
    token: n.bytes(7),
  };
}

function blockOf(n: Node): BlockPart {
  return {
    height: n.uint(1, MAX_COUNT),
    time: signed64(n.bytes(2)),
    timePath: exactly(n, 3, 3),
    parts: n.uint(4, MAX_UINT32),
    partsHash: n.bytes(5),
    nextPath: exactly(n, 6, 4),
    index: n.uint(7, MAX_COUNT),
    inclusion: hashes(n, 8, 64),
  };
}
