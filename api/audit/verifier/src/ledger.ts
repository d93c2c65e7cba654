// Values of the state, headers of transactions and results of messages
// (docs/format.md, "State", "Transaction", "Results").

import {
  type Bytes, Cursor, MAX_UINT32, Writer, be32, be64, concat, empty, equal, fields, fixed, number, refuse, signed64, text, uint, utf8,
} from "./bytes.js";
import { type Head, sum } from "./hash.js";

// Keys of the state.

const key = (kind: string, ...parts: string[]): Bytes => {
  if (parts.some((p) => p.includes("\0"))) refuse("a part of a state key holds a zero byte");
  return utf8(kind + parts.join("\0"));
};

export const itemKey = (id: string): Bytes => key("I", id);
export const classKey = (id: string): Bytes => key("C", id);
export const partnerKey = (id: string): Bytes => key("P", id);
export const registerKey = (id: string): Bytes => key("R", id);
export const keyKey = (partner: string, id: string): Bytes => key("K", partner, id);
export const balanceKey = (id: string, uom: string, partner: string): Bytes => key("B", id, uom, partner);
export const releaseKey = (container: string, epoch: bigint): Bytes => concat(key("E", container), Uint8Array.of(0), be64(epoch));
export const accumulatorKey = (): Bytes => key("A");

// Values of leaves.

function headOf(v: Bytes): Head {
  fixed(v, 40);
  const count = number(v.subarray(32));
  if (count === 0n) refuse("a head of no entries");
  return { root: v.subarray(0, 32), count };
}

export const noHead: Head = { root: empty, count: 0n };

const headBytes = (h: Head): Bytes => (h.count === 0n ? empty : concat(h.root, be64(h.count)));

/** again checks that a value is in its one encoding. */
function again(b: Bytes, w: Writer): void {
  if (!equal(b, w.bytes())) refuse("a value that is not in its one encoding");
}

export interface Offer {
  party: string;
  eventTime: bigint;
  time: bigint;
  from: string;
  quantity: string;
  locator: Bytes;
  shipment: string;
  handover: bigint;
  until: bigint; // of the block: it ends then, 0: when any does
}

function decodeOffer(b: Bytes): Offer {
  const o: Offer = { party: "", eventTime: 0n, time: 0n, from: "", quantity: "", locator: empty, shipment: "", handover: 0n, until: 0n };
  for (const f of fields(b)) {
    switch (f.n) {
      case 1: o.party = text(f.v); break;
      case 2: o.eventTime = signed64(f.v); break;
      case 3: o.time = signed64(f.v); break;
      case 4: o.from = text(f.v); break;
      case 5: o.quantity = text(f.v); break;
      case 6: o.locator = fixed(f.v, 16); break;
      case 7: o.shipment = text(f.v); break;
      case 8: o.handover = uint(f.v); break;
      case 9: o.until = signed64(f.v); break;
      default: refuse("an offer with an unknown field");
    }
  }
  again(b, writeOffer(o));
  return o;
}

function writeOffer(o: Offer): Writer {
  const w = new Writer().text(1, o.party).always(2, be64(o.eventTime)).always(3, be64(o.time)).text(4, o.from).text(5, o.quantity).field(6, o.locator);
  return o.shipment === "" ? w : w.text(7, o.shipment).uint(8, o.handover).always(9, be64(o.until));
}

export interface Item {
  custodian: string;
  parent: string;
  parentEpoch: bigint;
  epoch: bigint;
  disposition: string;
  ended: boolean;
  offer?: Offer;
  waiting: bigint;
  custody: Head;
  observations: Head;
  levels: bigint;
  turn: bigint;
  lots: bigint;
  maker: string;
  shipment: string;
  made: bigint; // as it is written: in two's complement
}

export function decodeItem(b: Bytes): Item {
  const it: Item = { custodian: "", parent: "", parentEpoch: 0n, epoch: 0n, disposition: "", ended: false, waiting: 0n, custody: noHead, observations: noHead, levels: 0n, turn: 0n, lots: 0n, maker: "", shipment: "", made: 0n };
  for (const f of fields(b)) {
    switch (f.n) {
      case 1: it.custodian = text(f.v); break;
      case 2: it.parent = text(f.v); break;
      case 3: it.parentEpoch = uint(f.v); break;
      case 4: it.epoch = uint(f.v); break;
      case 5: it.disposition = text(f.v); break;
      case 6: it.ended = uint(f.v, 1n) === 1n; break;
      case 7: it.offer = decodeOffer(f.v); break;
      case 8: it.waiting = uint(f.v); break;
      case 9: it.custody = headOf(f.v); break;
      case 10: it.observations = headOf(f.v); break;
      case 11: it.levels = uint(f.v); break;
      case 12: it.turn = uint(f.v); break;
      case 13: it.lots = uint(f.v); break;
      case 14: it.maker = text(f.v); break;
      case 15: it.shipment = text(f.v); break;
      case 16: it.made = uint(f.v); break;
      default: refuse("an item with an unknown field");
    }
  }
  const w = new Writer().text(1, it.custodian).text(2, it.parent).uint(3, it.parentEpoch).uint(4, it.epoch).text(5, it.disposition).uint(6, it.ended ? 1 : 0);
  if (it.offer) w.field(7, writeOffer(it.offer).bytes());
  again(b, w.uint(8, it.waiting).field(9, headBytes(it.custody)).field(10, headBytes(it.observations)).uint(11, it.levels).uint(12, it.turn).uint(13, it.lots).text(14, it.maker).text(15, it.shipment).uint(16, it.made));
  return it;
}

/** decodeHead reads a leaf whose first field is a head; of a register a second may follow. */
export function decodeHead(b: Bytes, register = false): Head {
  let first = noHead;
  let second = noHead;
  for (const f of fields(b)) {
    if (f.n === 1) first = headOf(f.v);
    else if (f.n === 2 && register) second = headOf(f.v);
    else refuse("a head with an unknown field");
  }
  again(b, new Writer().field(1, headBytes(first)).field(2, headBytes(second)));
  return first;
}

export function decodeRelease(b: Bytes): string {
  let holder = "";
  for (const f of fields(b)) {
    if (f.n !== 1) refuse("a release with an unknown field");
    holder = text(f.v);
  }
  again(b, new Writer().text(1, holder));
  return holder;
}

export function decodeBalance(b: Bytes): { amount: string; known: boolean } {
  let amount = "";
  let unknown = false;
  for (const f of fields(b)) {
    if (f.n === 1) amount = text(f.v);
    else if (f.n === 2) unknown = uint(f.v, 1n) === 1n;
    else refuse("a balance with an unknown field");
  }
  again(b, new Writer().text(1, amount).uint(2, unknown ? 1 : 0));
  return { amount, known: !unknown };
}

export interface Partner {
  readonly id: string;
  readonly name: string;
  readonly gln: string;
  readonly standing: number;
  readonly nodeID: string;
  readonly validator: Bytes;
  readonly state: number;
  readonly host: string;
  readonly sponsor: string;
  readonly lei: string;
  readonly registration: string;
  readonly threshold: number;
}

/** isPartnerID tells whether a partner may have this id. */
export const isPartnerID = (id: string): boolean => /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(id);

export const STATES = ["active", "suspended", "removed"];

export const STANDINGS = ["", "member", "participant", "observer"];

export function decodePartner(id: string, b: Bytes): Partner {
  let [name, gln, standing, nodeID, validator]: [string, string, bigint, string, Bytes] = ["", "", 0n, "", empty];
  let [state, host, sponsor, lei, registration, threshold] = [0n, "", "", "", "", 0n];
  for (const f of fields(b)) {
    switch (f.n) {
      case 1: name = text(f.v); break;
      case 2: gln = text(f.v); break;
      case 3: standing = uint(f.v, MAX_UINT32); break;
      case 4: nodeID = text(f.v); break;
      case 5: validator = f.v; break;
      case 6: state = uint(f.v, 2n); break;
      case 7: host = text(f.v); break;
      case 8: sponsor = text(f.v); break;
      case 9: lei = text(f.v); break;
      case 10: registration = text(f.v); break;
      case 11: threshold = uint(f.v, MAX_UINT32); break;
      default: refuse("a partner with an unknown field");
    }
  }
  again(b, new Writer().text(1, name).text(2, gln).uint(3, standing).text(4, nodeID).field(5, validator)
    .uint(6, state).text(7, host).text(8, sponsor).text(9, lei).text(10, registration).uint(11, threshold));
  return { id, name, gln, standing: Number(standing), nodeID, validator, state: Number(state), host, sponsor, lei, registration, threshold: Number(threshold) };
}

export interface Key {
  readonly id: string;
  readonly public: Bytes;
  readonly roles: bigint;
  readonly held: number;
  readonly from: bigint;
  readonly until: bigint;
}

/** ROLES are the names of a key's roles, by their bits. */
export const ROLES = ["capture", "admin", "operator", "device", "auditor"];

export const HOLDINGS = ["", "gateway", "client", "hardware"];

export function decodeKey(id: string, b: Bytes): Key {
  let [pub, roles, held, from, until]: [Bytes, bigint, bigint, bigint, bigint] = [empty, 0n, 0n, 0n, 0n];
  for (const f of fields(b)) {
    switch (f.n) {
      case 1: pub = fixed(f.v, 32); break;
      case 2: roles = uint(f.v, MAX_UINT32); break;
      case 3: held = uint(f.v, MAX_UINT32); break;
      case 4: from = uint(f.v); break;
      case 5: until = uint(f.v); break;
      default: refuse("a key with an unknown field");
    }
  }
  if (pub.length !== 32) refuse("a key without its public half");
  again(b, new Writer().field(1, pub).uint(2, roles).uint(3, held).uint(4, from).uint(5, until));
  return { id, public: pub, roles, held: Number(held), from, until };
}

// Results.

export interface Result {
  readonly code: number;
  readonly effect: number;
  readonly flags: readonly number[];
}

export const EFFECTS = ["none", "applied", "claim", "observation", "duplicate"];
export const [APPLIED, , , DUPLICATE] = [1, 2, 3, 4];

// Places in the ledger.

export interface Locator {
  readonly height: bigint;
  readonly position: number;
  readonly index: number;
}

export const locatorBytes = (l: Locator): Bytes => concat(be64(l.height), be32(l.position), be32(l.index));

export function compareLocators(a: Locator, b: Locator): number {
  if (a.height !== b.height) return a.height < b.height ? -1 : 1;
  return a.position - b.position || a.index - b.index;
}

// Transactions.

export interface TransactionHeader {
  chainID: string;
  rules: bigint;
  partner: string;
  keyID: string;
  actor: string;
  expiry: bigint;
  root: Bytes;
  count: bigint;
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** decodeHeader reads the protobuf of a transaction's header, in its one encoding. */
export function decodeHeader(b: Bytes): TransactionHeader {
  const h: TransactionHeader = { chainID: "", rules: 0n, partner: "", keyID: "", actor: "", expiry: 0n, root: empty, count: 0n };
  const c = new Cursor(b);
  let last = 0n;
  let nonce = empty;
  const name = (v: Bytes, least: number, most: number): string => {
    if (v.length < least || v.length > most || CONTROL.test(text(v))) refuse("a header with a name that is none");
    return text(v);
  };
  while (!c.done) {
    const tag = c.uvarint();
    const [n, kind] = [tag >> 3n, tag & 7n];
    if (n <= last) refuse("a header whose fields do not ascend");
    last = n;
    const numeric = n === 2n || n === 6n || n === 8n || n === 9n;
    if (kind !== (numeric ? 0n : 2n)) refuse("a header with a field of another kind");
    if (numeric) {
      const v = c.uvarint();
      if (v === 0n || ((n === 2n || n === 9n) && v > MAX_UINT32) || (n === 8n && v !== 1n)) refuse("a header with a number out of bounds");
      if (n === 2n) h.rules = v;
      else if (n === 6n) h.expiry = v;
      else if (n === 9n) h.count = v;
      continue;
    }
    const v = c.take(c.uvarint());
    if (v.length === 0) refuse("a header with a default written out");
    switch (n) {
      case 1n: h.chainID = name(v, 1, 64); break;
      case 3n: h.partner = name(v, 1, 64); break;
      case 4n: h.keyID = name(v, 1, 64); break;
      case 5n: h.actor = name(v, 1, 64); break;
      case 7n: nonce = fixed(v, 16); break;
      case 10n: h.root = fixed(v, 32); break;
      default: refuse("a header with an unknown field");
    }
  }
  if (h.chainID === "" || h.partner === "" || h.keyID === "" || nonce.length === 0 || h.root.length === 0 || h.expiry === 0n || h.expiry > 1n << 62n || h.count < 1n || h.count > 5000n) {
    refuse("a header without what it must have");
  }
  return h;
}

export const transactionID = (header: Bytes): Promise<Bytes> => sum("waybill/header", header);

/** entry is the link of a trail. */
export function entry(trail: string, digest: Bytes, transaction: Bytes, at: Locator, r: Result): Promise<Bytes> {
  return sum("waybill/entry", utf8(trail), digest, transaction, locatorBytes(at), be32(r.code), be32(r.effect), concat(...r.flags.map(be32)));
}
