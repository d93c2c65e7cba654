// What a bundle that holds says (docs/format-bundle.md), and what its checks work out for it.

import type { Bundle, Message, Subject, SubjectKind } from "./bundle.js";
import { type Bytes, hex, text } from "./bytes.js";
import type { Chain } from "./chain.js";
import type { Placed } from "./closure.js";
import { codeName } from "./codes.js";
import { ACTIONS, ORDERS, type Skeleton, TYPES, derivedEventID } from "./event.js";
import { timeText } from "./form.js";
import type { Head } from "./hash.js";
import { parse, plain, whole } from "./json.js";
import { EFFECTS, HOLDINGS, ROLES, type Item, type Key, type Locator, STANDINGS, STATES, type TransactionHeader, decodePartner } from "./ledger.js";
import { rescueReport } from "./rescue.js";
import { type Shipment, handoverReport, records } from "./shipment.js";

export const KINDS = ["", "item", "class", "unknown", "partner", "shipment"];
export const TRAILS: Readonly<Record<string, string>> = { c: "custody trail", o: "observation trail", l: "class trail", p: "partner trail", s: "shipment trail" };
export const TRAILS_OF: Readonly<Record<SubjectKind, readonly string[]>> = { 1: ["c", "o"], 2: ["l"], 3: [], 4: ["p"], 5: ["s"] };

export interface Trail {
  readonly letter: string;
  readonly first: bigint;
  readonly beside: readonly Bytes[];
  readonly head: Head;
  readonly entries: Bytes[];
  readonly records: Placed[];
}

export interface SubjectState {
  readonly part: Subject;
  readonly asked: boolean;
  item?: Item;
  shipment?: Shipment;
  contents: readonly string[];
  heads: Head[];
  trails: Trail[];
  needed: boolean; // as a container of what was asked for, or as a unit of it
  unit: boolean; // of the shipment asked for
  role: string;
  alone: boolean;
  custodian: string;
  containers: string[];
  balances: object[];
}

export interface EventState {
  readonly at: Locator;
  readonly message: Message;
  readonly header: TransactionHeader;
  readonly key: Key;
  readonly author: Key | undefined;
  readonly transaction: Bytes;
  readonly digest: Bytes;
  readonly skeleton: Skeleton | undefined;
  readonly body: Bytes | undefined;
  readonly trails: { id: string; letter: string }[];
  voidedBy?: Locator;
}

export interface PartnerState {
  readonly keys: Map<string, { key: Key; used: boolean }>;
  readonly leaf: ReturnType<typeof decodePartner> | undefined;
  used: boolean;
}

/** Findings are what a bundle says, when all of it is checked. */
export interface Findings {
  readonly b: Bundle;
  readonly chain: Chain;
  readonly subjects: readonly SubjectState[];
  readonly partners: ReadonlyMap<string, PartnerState>;
  readonly events: readonly EventState[];
  readonly complete: boolean; // all transformations upstream are there
}

/** statement is what a bundle that holds says, as plain data. */
export function statement(f: Findings): Record<string, unknown> {
  const { b, chain } = f;
  const steps = b.steps.filter((s) => s.header).map((s) => whole(s.header!.height));
  const partners = [...f.partners.values()].flatMap((p) => (p.leaf ? [p.leaf] : []));
  const keys = [...f.partners].flatMap(([partner, p]) => [...p.keys.values()].map(({ key: k }) => ({
    partner, id: k.id, public: hex(k.public), roles: ROLES.filter((_, i) => k.roles & (1n << BigInt(i))), held: HOLDINGS[k.held] ?? "",
    from: whole(k.from), ...(k.until > 0n && { until: whole(k.until) }),
  })));
  return {
    chain_id: b.chainID,
    height: whole(chain.height),
    app_hash: hex(chain.root),
    header_height: whole(chain.state.height),
    header_hash: hex(chain.headers.get(chain.state.height)!),
    time: timeText(chain.state.time),
    signed_height: whole(b.header.height),
    signed_hash: hex(chain.headers.get(b.header.height)!),
    signed_time: timeText(b.header.time),
    signed: whole(chain.signed.signed),
    power: whole(chain.signed.total),
    ...(steps.length > 0 && { steps }),
    scope: { containers: b.containers, ancestors: b.ancestors, names: b.names, times: b.times, ...(b.units && { units: true }) },
    ...(f.complete && { complete: true }),
    subjects: f.subjects.map((s) => ({ ...subjectReport(s, chain.state.time), ...(s.shipment && { shipment: shipmentReport(f, s, s.shipment) }) })),
    ...(partners.length > 0 && {
      partners: partners.map((p) => ({
        id: p.id, name: p.name, gln: p.gln, standing: STANDINGS[p.standing] ?? "",
        ...(p.nodeID && { node_id: p.nodeID }), ...(p.validator.length > 0 && { validator: base64(p.validator) }),
        ...(p.state > 0 && { state: STATES[p.state] }), ...(p.host && { host: p.host }), ...(p.sponsor && { sponsor: p.sponsor }),
        ...(p.lei && { lei: p.lei }), ...(p.registration && { registration: p.registration }), ...(p.threshold > 0 && { threshold: p.threshold }),
      })),
    }),
    ...(keys.length > 0 && { keys }),
    events: f.events.map((e) => eventReport(f, e)),
    ...(chain.witnessed.length > 0 && { witnessed: chain.witnessed }),
    ...(chain.rescues.length > 0 && { rescues: chain.rescues.map((r) => rescueReport(r.rescue, r.crossed)) }),
  };
}

function shipmentReport(f: Findings, s: SubjectState, of: Shipment): object {
  const trail = f.events.filter((e) => e.trails.some((t) => t.letter === "s" && t.id === s.part.id));
  const shown = records(trail.map((e) => ({ at: e.at, partner: e.header.partner, reason: e.body && e.skeleton?.act ? String(JSON.parse(text(e.body)).reason ?? "") : "" })));
  const handovers = f.b.handovers.map((h, i) => handoverReport(i + 1, h.leaf.value, h.dispute.value, f.chain.state.time, shown));
  return { ...of.report, ...(s.contents.length > 0 && { contents: s.contents }), handovers };
}

function eventReport(f: Findings, e: EventState): object {
  const { message: m, skeleton: s, header: h } = e;
  const at = f.chain.times.get(e.at.height);
  const name = f.partners.get(h.partner)?.leaf?.name ?? "";
  return {
    ...locatorReport(e.at),
    trails: e.trails.map((t) => ({ id: t.id, trail: TRAILS[t.letter] })),
    form: m.form,
    ...(at !== undefined && { time: timeText(at) }),
    ...(s && {
      eventID: s.eventID || derivedEventID(e.digest),
      type: s.act?.name ?? TYPES[s.type],
      ...(s.action > 0 && { action: ACTIONS[s.action] }),
      ...(s.bizStep && { bizStep: s.bizStep }),
      ...(s.disposition && { disposition: s.disposition }),
      eventTime: timeText(s.eventTime),
      ...(s.order && { order: ORDERS[s.order.what], about: s.order.eventID, ...(s.order.class && { class: s.order.class }) }),
    }),
    partner: h.partner,
    ...(name && { partner_name: name }),
    key: e.key.id,
    held: HOLDINGS[e.key.held] ?? "",
    ...(h.actor && { actor: h.actor }),
    ...(e.author && { author: e.author.id, author_held: HOLDINGS[e.author.held] ?? "" }),
    transaction: hex(e.transaction),
    digest: hex(e.digest),
    ...(m.result.code > 0 && { code: codeName(m.result.code) }),
    effect: EFFECTS[m.result.effect] ?? "unknown",
    flags: m.result.flags.map(codeName),
    ...(e.voidedBy && { voided_by: locatorReport(e.voidedBy) }),
    ...(m.withheld.length > 0 && { withheld: m.withheld.length }),
    ...(e.body && { body: plain(parse(e.body)) }),
  };
}

const locatorReport = (l: Locator): object => ({ height: whole(l.height), position: l.position, index: l.index });

const MAX_WAITING = 30n * 24n * 3600n * 1_000_000_000n; // in nanoseconds of block time, after which an offer has lapsed

function subjectReport(s: SubjectState, now: bigint): object {
  const offer = s.item?.offer;
  const trails = TRAILS_OF[s.part.kind].map((letter, i) => {
    const t = s.trails.find((e) => e.letter === letter);
    return { trail: TRAILS[letter], first: whole(t?.first ?? 0n), shown: t?.entries.length ?? 0, count: whole(s.heads[i]!.count) };
  });
  return {
    kind: KINDS[s.part.kind],
    id: s.part.id,
    role: s.role,
    present: s.part.value !== undefined,
    alone: s.alone,
    ...(s.custodian && { custodian: s.custodian }),
    containers: s.containers,
    ...(s.item?.disposition && { disposition: s.item.disposition }),
    ...(s.item?.ended && { ended: true }),
    ...(s.item?.shipment && { in_shipment: s.item.shipment }),
    ...(offer?.party && now - offer.time <= MAX_WAITING && (offer.until === 0n || now <= offer.until) && { offered_to: offer.party }),
    ...(trails.length > 0 && { trails }),
    ...(s.balances.length > 0 && { balances: s.balances }),
  };
}

function base64(b: Bytes): string {
  let s = "";
  for (const v of b) s += String.fromCharCode(v);
  return btoa(s);
}
