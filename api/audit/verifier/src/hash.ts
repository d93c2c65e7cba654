// Hash rules (docs/format.md), RFC 6962 trees, and the state tree. SHA-256, HMAC
// and Ed25519 are those of Web Crypto.

import { type Bytes, concat, equal, join, refuse, uvarint, utf8, Cursor, empty } from "./bytes.js";

const subtle = globalThis.crypto.subtle;

export async function sha256(b: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await subtle.digest("SHA-256", b as Bytes));
}

/** sum is H(tag, parts...). */
export function sum(tag: string, ...parts: readonly Uint8Array[]): Promise<Bytes> {
  const all: Uint8Array[] = [];
  for (const p of [utf8(tag), ...parts]) all.push(uvarint(p.length), p);
  return sha256(join(all));
}

/** macs makes MAC(key, ...) of one key. */
export async function macs(key: Bytes): Promise<(message: Uint8Array) => Promise<Bytes>> {
  const k = await subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return async (message) => new Uint8Array(await subtle.sign("HMAC", k, message as Bytes));
}

export async function ed25519(key: Bytes, message: Bytes, signature: Bytes): Promise<boolean> {
  if (key.length !== 32 || signature.length !== 64) return false;
  try {
    const k = await subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await subtle.verify({ name: "Ed25519" }, k, signature, message);
  } catch {
    return false; // a key that is no point of the curve
  }
}

const zero = Uint8Array.of(0);
const one = Uint8Array.of(1);

export const leafHash = (entry: Uint8Array): Promise<Bytes> => sha256(concat(zero, entry));
export const nodeHash = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(concat(one, left, right));

/** split is the largest power of two below n, for n of 2 or more. */
export function split(n: bigint): bigint {
  let k = 1n;
  while (k << 1n < n) k <<= 1n;
  return k;
}

/** rootOfHashes is the RFC 6962 root over leaves that are hashed already. */
export async function rootOfHashes(leaves: readonly Bytes[]): Promise<Bytes> {
  if (leaves.length === 0) return sha256(empty);
  if (leaves.length === 1) return leaves[0]!;
  const k = Number(split(BigInt(leaves.length)));
  const [left, right] = await Promise.all([rootOfHashes(leaves.slice(0, k)), rootOfHashes(leaves.slice(k))]);
  return nodeHash(left, right);
}

export async function merkleRoot(entries: readonly Uint8Array[]): Promise<Bytes> {
  return rootOfHashes(await Promise.all(entries.map(leafHash)));
}

export interface Head {
  readonly root: Bytes;
  readonly count: bigint;
}

/** inclusionRoot is the root to which an RFC 6962 inclusion proof leads: hashes from the leaf upwards. */
export async function inclusionRoot(count: bigint, index: bigint, entry: Uint8Array, path: readonly Bytes[]): Promise<Bytes | undefined> {
  if (index < 0n || index >= count) return undefined;
  let fn = index;
  let sn = count - 1n;
  let r = await leafHash(entry);
  for (const p of path) {
    if (sn === 0n) return undefined;
    if ((fn & 1n) === 1n || fn === sn) {
      r = await nodeHash(p, r);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      r = await nodeHash(r, p);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n ? r : undefined;
}

/** included checks an RFC 6962 inclusion proof. */
export async function included(head: Head, index: bigint, entry: Uint8Array, path: readonly Bytes[]): Promise<boolean> {
  const root = await inclusionRoot(head.count, index, entry, path);
  return root !== undefined && equal(root, head.root);
}

/**
 * rangeRoot is the root of a log of count entries, of which those from first on are
 * given, and of the others the hashes beside them, from left to right.
 */
export async function rangeRoot(count: bigint, first: bigint, entries: readonly Bytes[], beside: readonly Bytes[]): Promise<Bytes> {
  const end = first + BigInt(entries.length);
  if (entries.length === 0 || end > count) refuse("more records than the trail has");
  let used = 0;
  const walk = async (lo: bigint, hi: bigint): Promise<Bytes> => {
    if (hi <= first || lo >= end) return beside[used++] ?? refuse("a hash beside the records is missing");
    if (hi - lo === 1n) return leafHash(entries[Number(lo - first)]!);
    const k = lo + split(hi - lo);
    const left = await walk(lo, k);
    return nodeHash(left, await walk(k, hi));
  };
  const root = await walk(0n, count);
  if (used !== beside.length) refuse("more hashes beside the records than are needed");
  return root;
}

export interface Path {
  readonly siblings: readonly (Bytes | undefined)[]; // from the root downwards; undefined where empty
  readonly other?: { readonly key: Bytes; readonly value: Bytes };
}

/** decodePath reads the encoding of a path of the state tree. */
export function decodePath(b: Bytes): Path {
  const c = new Cursor(b);
  const [kind, high, low] = c.take(3);
  const depth = high! * 256 + low!;
  if (kind! > 1 || depth > 256) refuse("no path");
  const bitmap = c.take(Math.ceil(depth / 8));
  const siblings: (Bytes | undefined)[] = [];
  for (let i = 0; i < 8 * bitmap.length; i++) {
    const set = ((bitmap[i >> 3]! >> (7 - (i & 7))) & 1) === 1;
    if (i >= depth) {
      if (set) refuse("a path with bits beyond its depth");
      continue;
    }
    if (!set) {
      if (i === depth - 1) refuse("a path that ends beside nothing");
      siblings.push(undefined);
      continue;
    }
    const h = c.take(32);
    if (h.every((v) => v === 0)) refuse("a path with an empty hash");
    siblings.push(h);
  }
  const path: Path = kind === 1 ? { siblings, other: { key: c.take(32), value: c.take(32) } } : { siblings };
  if (!c.done) refuse("something follows a path");
  return path;
}

const bit = (key: Bytes, i: number): number => (key[i >> 3]! >> (7 - (i & 7))) & 1;
const nothing: Bytes = new Uint8Array(32);

async function fold(path: Path, key: Bytes, hash: Bytes): Promise<Bytes> {
  for (let i = path.siblings.length - 1; i >= 0; i--) {
    const s = path.siblings[i] ?? nothing;
    hash = bit(key, i) === 0 ? await nodeHash(hash, s) : await nodeHash(s, hash);
  }
  return hash;
}

/** member checks that the state of the root has the value under the key. */
export async function member(root: Bytes, key: Uint8Array, value: Uint8Array, encoded: Bytes, where: string): Promise<void> {
  const path = decodePath(encoded);
  if (path.other) refuse(`${where}: its path is of an absence`);
  const [k, v] = await Promise.all([sha256(key), sha256(value)]);
  if (!equal(await fold(path, k, await sha256(concat(zero, k, v))), root)) refuse(`${where}: its path does not lead to the state`);
}

/** absent checks that the state of the root has nothing under the key. */
export async function absent(root: Bytes, key: Uint8Array, encoded: Bytes, where: string): Promise<void> {
  const path = decodePath(encoded);
  const k = await sha256(key);
  let place = nothing;
  if (path.other) {
    if (equal(path.other.key, k)) refuse(`${where}: the leaf at its place is its own`);
    for (let i = 0; i < path.siblings.length; i++) {
      if (bit(k, i) !== bit(path.other.key, i)) refuse(`${where}: the other leaf lies beside the path`);
    }
    place = await sha256(concat(zero, path.other.key, path.other.value));
  }
  if (!equal(await fold(path, k, place), root)) refuse(`${where}: its path does not lead to the state`);
}
