// Shipments: the values of their leaves (docs/format.md, "State"), and what is told of
// them.

import { type Bytes, be64, concat, empty, fields, fixed, hex, number, refuse, signed64, text, uint, utf8 } from "./bytes.js";
import { timeText } from "./form.js";
import { type Head } from "./hash.js";
import { whole } from "./json.js";
import { HOLDINGS, type Locator, locatorBytes, noHead } from "./ledger.js";

const numbered = (kind: string, shipment: string, n: bigint): Bytes => concat(utf8(kind + shipment), Uint8Array.of(0), be64(n));

export const shipmentKey = (id: string): Bytes => utf8("T" + id);
export const unitsKey = (id: string): Bytes => utf8("t" + id);
export const handoverKey = (id: string, n: bigint): Bytes => numbered("h", id, n);
export const disputeKey = (id: string, n: bigint): Bytes => numbered("D", id, n);

const STATES = ["", "announced", "in_transit", "handover_pending", "delivered", "closed", "rejected", "disputed", "returned", "cancelled"];
const HANDOVER_STATES = ["", "open", "accepted", "accepted_with_discrepancies", "rejected", "cancelled", "expired"];
const QUALITIES = ["", "temperature", "humidity"];
const DIFFERENCES = ["", "short", "over", "damaged"];
const OUTCOMES = ["", "go_on", "delivered", "return"];

/** Leaf is the fields of a leaf's value, or of what is nested in it: none behind last, and only some of them repeated. */
class Leaf {
  private readonly values = new Map<number, Bytes[]>();

  constructor(b: Bytes, last: number, ...repeated: number[]) {
    for (const { n, v } of fields(b)) {
      const list = this.values.get(n) ?? [];
      if (n > last || v.length === 0 || (list.length > 0 && !repeated.includes(n))) refuse("a value that is not in its one encoding");
      list.push(v);
      this.values.set(n, list);
    }
  }

  all(n: number): readonly Bytes[] {
    return this.values.get(n) ?? [];
  }

  bytes(n: number): Bytes {
    return this.all(n)[0] ?? empty;
  }

  text(n: number): string {
    return text(this.bytes(n));
  }

  uint(n: number): bigint {
    return this.all(n).length > 0 ? uint(this.bytes(n)) : 0n;
  }

  time(n: number): bigint {
    return this.all(n).length > 0 ? signed64(this.bytes(n)) : 0n;
  }

  word(n: number, words: readonly string[]): string {
    const v = this.bytes(n);
    if (v.length === 0) return "";
    return (v.length === 1 ? words[v[0]!] : undefined) || refuse("a word that is none of its list");
  }
}

/** some leaves out of an object what is empty, as reports do. */
const some = (name: string, v: string | readonly unknown[]): object => (v.length > 0 ? { [name]: v } : {});

const when = (name: string, v: bigint): object => (v === 0n ? {} : { [name]: timeText(v) });

function lotsOf(list: readonly Bytes[]): object[] {
  return list.map((b) => {
    const l = new Leaf(b, 3);
    return { class: l.text(1), quantity: l.text(2), ...some("uom", l.text(3)) };
  });
}

/** documentsOf are the documents that a shipment's terms require, with what was attached for each. */
function documentsOf(l: Leaf): object[] {
  const attached = new Map(
    l.all(20).map((v) => {
      const a = new Leaf(v, 5);
      return [Number(a.uint(1)), { document: hex(fixed(a.bytes(2), 32)), partner: a.text(3), ...when("time", a.time(4)), ...place(locatorOf(a.bytes(5))) }] as const;
    }),
  );
  return l.all(8).map((v, i) => {
    const d = new Leaf(v, 2);
    const [hash, there] = [d.bytes(2), attached.get(i + 1)];
    return { ...some("kind", d.text(1)), ...some("document", hash.length > 0 ? hex(fixed(hash, 32)) : ""), ...(there && { attached: there }) };
  });
}

function locatorOf(v: Bytes): Locator {
  if (v.length > 0) fixed(v, 16);
  return { height: number(v.subarray(0, 8)), position: Number(number(v.subarray(8, 12))), index: Number(number(v.subarray(12))) };
}

const place = (at: Locator): object => ({ height: whole(at.height), position: at.position, index: at.index });

/** Shipment is what the leaf of one says. */
export interface Shipment {
  readonly trail: Head;
  readonly items: bigint;
  readonly handovers: bigint;
  readonly parties: readonly string[];
  readonly report: object;
}

export function decodeShipment(b: Bytes): Shipment {
  const l = new Leaf(b, 20, 2, 4, 7, 8, 9, 20);
  const [carriers, inspectors] = [l.all(2).map(text), l.all(4).map(text)];
  const [shipper, receiver, arbiter] = [l.text(1), l.text(3), l.text(5)];
  const head = l.bytes(19);
  const bands = l.all(7).map((v) => {
    const band = new Leaf(v, 3);
    return { of: band.word(1, QUALITIES), ...some("min", band.text(2)), ...some("max", band.text(3)) };
  });
  return {
    trail: head.length === 0 ? noHead : { root: fixed(head, 40).subarray(0, 32), count: number(head.subarray(32)) },
    items: l.uint(10),
    handovers: l.uint(15),
    parties: [...new Set([shipper, receiver, ...carriers, ...inspectors, arbiter])].filter((p) => p !== ""),
    report: {
      state: l.word(12, STATES), ...some("held_by", l.text(14)), shipper, ...some("carriers", carriers), receiver, ...some("inspectors", inspectors), ...some("arbiter", arbiter),
      holder: l.text(13), ...when("deadline", l.time(6)), ...some("bands", bands), ...some("documents", documentsOf(l)),
      items: whole(l.uint(10)), units: whole(l.uint(11)), ...some("lots", lotsOf(l.all(9))), ...(l.uint(16) > 0n && { disputed: whole(l.uint(16)) }), ...when("announced", l.time(17)),
    },
  };
}

export const decodeUnits = (b: Bytes): string[] => new Leaf(b, 1, 1).all(1).map(text);

/** Shown is a record of the shipment's trail that is here; reason is why it was done, where an act says so and that is shown. */
interface Shown {
  readonly at: Locator;
  readonly partner: string;
  readonly reason: string;
}

/** Records finds a partner's record at a place among those of the shipment's trail here. */
export type Records = (partner: string, at: Locator) => Shown | undefined;

export function records(of: readonly Shown[]): Records {
  const by = new Map(of.map((r) => [hex(locatorBytes(r.at)), r]));
  return (partner, at) => {
    const r = by.get(hex(locatorBytes(at)));
    return r?.partner === partner ? r : undefined;
  };
}

interface Signing {
  readonly partner: string;
  readonly at: Locator;
  readonly report: (shown: Records) => object;
}

function signingOf(b: Bytes): Signing {
  const l = new Leaf(b, 7);
  const at = locatorOf(l.bytes(7));
  const partner = l.text(1);
  if (l.uint(3) >= HOLDINGS.length) refuse("a key that is held in no way that there is");
  return {
    partner,
    at,
    report: (shown) => ({
      partner, ...some("key", l.text(2)), ...some("held", HOLDINGS[Number(l.uint(3))] ?? ""), ...some("author", l.text(4)), ...when("time", l.time(5)), ...when("event_time", l.time(6)),
      ...place(at), shown: shown(partner, at) !== undefined,
    }),
  };
}

const signed = (name: string, s: Signing, shown: Records): object => (s.partner === "" ? {} : { [name]: s.report(shown) });

/** handoverReport tells of a hand-over, and of the dispute about it where there is one, as of a time. */
export function handoverReport(n: number, handover: Bytes, dispute: Bytes, now: bigint, shown: Records): object {
  const l = new Leaf(handover, 11, 10, 11);
  const [offered, answered, state] = [signingOf(l.bytes(2)), signingOf(l.bytes(9)), l.word(8, HANDOVER_STATES)];
  const discrepancies = l.all(10).map((v) => {
    const d = new Leaf(v, 4);
    return { id: d.text(1), what: d.word(2, DIFFERENCES), ...some("quantity", d.text(3)), ...some("uom", d.text(4)) };
  });
  return {
    handover: n, state, ...(state === "open" && now > l.time(3) && { ended: true }), from: offered.partner, to: l.text(1), ...when("until", l.time(3)),
    units: whole(l.uint(4)), taken: whole(l.uint(6)), refused: whole(l.uint(7)), offered: offered.report(shown), ...signed("answered", answered, shown), ...some("reason", answered.partner === "" ? "" : shown(answered.partner, answered.at)?.reason ?? ""),
    ...some("discrepancies", discrepancies), ...some("lots", lotsOf(l.all(11))), ...(dispute.length > 0 && { dispute: disputeReport(dispute, shown) }),
  };
}

function disputeReport(b: Bytes, shown: Records): object {
  const l = new Leaf(b, 6, 2);
  const evidence = l.all(2).map((v) => {
    const e = new Leaf(v, 3);
    return { ...some("document", hex(e.bytes(1))), ...some("event", e.text(2)), ...some("partner", e.text(3)) };
  });
  const outcome = l.word(5, OUTCOMES);
  return {
    open: outcome === "", opened: signingOf(l.bytes(1)).report(shown), ...some("evidence", evidence), ...some("from_proposes", l.word(3, OUTCOMES)), ...some("to_proposes", l.word(4, OUTCOMES)),
    ...some("outcome", outcome), ...signed("resolved", signingOf(l.bytes(6)), shown),
  };
}
