// Headers, commits and validator sets (docs/format-bundle.md, steps 3 to 6 and 13):
// what the engine hashes and signs.

import { type Bytes, be, be64, concat, empty, hex, refuse, utf8, uvarint } from "./bytes.js";
import type { BlockPart, Commit, Header, Validator } from "./bundle.js";
import { ed25519, leafHash, merkleRoot, nodeHash, sum } from "./hash.js";

// Protobuf, as far as it is needed: what is zero or empty is left out.

const varintField = (n: number, v: bigint): Bytes => (v === 0n ? empty : concat(uvarint(n << 3), uvarint(BigInt.asUintN(64, v))));
const fixedField = (n: number, v: bigint): Bytes => (v === 0n ? empty : concat(uvarint((n << 3) | 1), be(v, 8).reverse()));
const messageField = (n: number, v: Uint8Array): Bytes => concat(uvarint((n << 3) | 2), uvarint(v.length), v);
const bytesField = (n: number, v: Uint8Array): Bytes => (v.length === 0 ? empty : messageField(n, v));

function timestamp(nanos: bigint): Bytes {
  let seconds = nanos / 1000000000n;
  let rest = nanos % 1000000000n;
  if (rest < 0n) {
    rest += 1000000000n;
    seconds -= 1n;
  }
  return concat(varintField(1, seconds), varintField(2, rest));
}

const blockID = (hash: Uint8Array, parts: bigint, partsHash: Uint8Array): Bytes =>
  concat(bytesField(1, hash), messageField(2, concat(varintField(1, parts), bytesField(2, partsHash))));

/** setHash is the hash of a validator set. */
export function setHash(set: readonly Validator[]): Promise<Bytes> {
  return merkleRoot(set.map((v) => concat(messageField(1, bytesField(1, v.key)), varintField(2, v.power))));
}

/** headerHash is the hash of a header whose validators have this hash. */
export async function headerHash(chain: string, h: Header, validators: Bytes): Promise<Bytes> {
  const next = h.next.length === 0 ? validators : h.next;
  const [l1, l2, l3, l7, l8, l10] = await Promise.all([
    leafHash(bytesField(1, utf8(chain))), leafHash(varintField(1, h.height)), leafHash(timestamp(h.time)),
    leafHash(bytesField(1, validators)), leafHash(bytesField(1, next)), leafHash(bytesField(1, h.app)),
  ]);
  const b = h.beside as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
  const left = await nodeHash(
    await nodeHash(await nodeHash(b[0], l1), await nodeHash(l2, l3)),
    await nodeHash(b[1], await nodeHash(b[2], l7)),
  );
  const right = await nodeHash(await nodeHash(await nodeHash(l8, b[3]), await nodeHash(l10, b[4])), b[5]);
  return nodeHash(left, right);
}

/** nextHash is the hash of the header behind a block. */
export async function nextHash(p: BlockPart): Promise<Bytes> {
  const [l2, l3] = await Promise.all([leafHash(varintField(1, p.height)), leafHash(timestamp(p.time))]);
  const t = p.timePath as [Bytes, Bytes, Bytes];
  const own = await nodeHash(await nodeHash(await nodeHash(t[0], await nodeHash(l2, l3)), t[1]), t[2]);
  const n = p.nextPath as [Bytes, Bytes, Bytes, Bytes];
  const l4 = await leafHash(blockID(own, p.parts, p.partsHash));
  return nodeHash(await nodeHash(n[2], await nodeHash(await nodeHash(l4, n[0]), n[1])), n[3]);
}

export const anchorEntry = (height: bigint, block: Bytes): Promise<Bytes> => sum("waybill/anchor", be64(height), block);

const MAX_POWER = (1n << 60n) - 1n;

/** totalPower is that of a set, whose members it checks. */
export function totalPower(set: readonly Validator[]): bigint {
  if (set.length < 1 || set.length > 1000) refuse(`${set.length} validators, 1 to 1000 can be`);
  let total = 0n;
  for (const v of set) {
    if (v.power < 1n || v.power > MAX_POWER - total) refuse("the validators' power is out of bounds");
    total += v.power;
  }
  return total;
}

/** checkCommit checks that more than two thirds of the power signed, and that every vote holds. */
export async function checkCommit(chain: string, h: Header, hash: Bytes, c: Commit, set: readonly Validator[]): Promise<{ signed: bigint; total: bigint }> {
  const total = totalPower(set);
  let signed = 0n;
  let last = -1;
  for (const v of c.votes) {
    const validator = set[v.index];
    if (validator === undefined || v.index <= last) return refuse(`vote of validator ${v.index}: the set has none, or it stands behind a later one`);
    last = v.index;
    const message = concat(
      varintField(1, 2n), fixedField(2, h.height), fixedField(3, c.round), messageField(4, blockID(hash, c.parts, c.partsHash)),
      messageField(5, timestamp(v.time)), bytesField(6, utf8(chain)),
    );
    if (!(await ed25519(validator.key, concat(uvarint(message.length), message), v.signature))) refuse(`the signature of validator ${v.index} does not hold`);
    signed += validator.power;
  }
  if (3n * signed <= 2n * total) refuse(`validators of power ${signed} out of ${total} signed, more than two thirds must`);
  return { signed, total };
}

/** checkSkip checks that more than two thirds of a known set's power signed as members of another. */
export function checkSkip(c: Commit, set: readonly Validator[], known: readonly Validator[]): void {
  const powers = new Map(known.map((v) => [hex(v.key), v.power]));
  const total = totalPower(known);
  let signed = 0n;
  for (const v of c.votes) {
    const key = hex(set[v.index]!.key);
    signed += powers.get(key) ?? 0n;
    powers.delete(key);
  }
  if (3n * signed <= 2n * total) refuse(`of the set trusted before, power ${signed} out of ${total} signed`);
}
