// From an event's body to its skeleton, and the skeleton's encoding (docs/format.md,
// "Event"). What else the ledger demands of an event is not checked: that it was
// recorded is proven otherwise.

import { type Bytes, Writer, be64, compareText, equal, fields, hex, join, refuse, signed64, text, uint, utf8 } from "./bytes.js";
import { sum } from "./hash.js";
import { canonical, isClass, isURI } from "./identifier.js";
import { ACTS } from "./codes.js";
import { type Value, parse, quote } from "./json.js";
import { type Sensor, decodeSensor, encodeSensor, sensorsOf } from "./sensor.js";

export interface Quantity {
  readonly epcClass: string;
  readonly uom: string;
  readonly amount?: string;
}

export interface Party {
  readonly type: string;
  readonly id: string;
}

export interface Declaration {
  readonly time: bigint;
  readonly reason: string;
  readonly corrections: readonly string[];
}

/** Order asks that the body of an event be erased, or held. */
export interface Order {
  readonly what: number;
  readonly eventID: string;
  readonly class: string; // retention class, of one that classifies
}

export interface Skeleton {
  type: number;
  action: number;
  eventTime: bigint;
  bizStep: string;
  disposition: string;
  parentID: string;
  epcs: string[];
  outputEPCs: string[];
  quantities: Quantity[];
  outputQuantities: Quantity[];
  sources: Party[];
  destinations: Party[];
  transformationID: string;
  eventID: string;
  declaration?: Declaration;
  order?: Order;
  act?: Act;
  author: string; // id of the key with which the message alone is signed
  sensors: Sensor[];
}

/** Act is what a partner does on the ledger itself. Which member is which field is not known here. */
export interface Act {
  readonly name: string;
  readonly fields: Bytes;
}

export const TYPES = ["", "ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent", "ErasureOrder"];
export const ORDERS = ["", "erase", "hold", "release", "classify"];
const CLASSIFY = 4;
const ORDER = 6; // type of an order's skeleton
const ACT = 7; // of an act's
export const ACTIONS = ["", "ADD", "OBSERVE", "DELETE"];
export const [OBJECT, AGGREGATION, , TRANSFORMATION, ASSOCIATION] = [1, 2, 3, 4, 5];
export const [ADD, , DELETE] = [1, 2, 3];

/** encodeSkeleton is the skeleton's one encoding. */
export function encodeSkeleton(s: Skeleton, declaration = true): Bytes {
  const w = new Writer().uint(1, s.type).uint(2, s.action).always(3, be64(s.eventTime)).text(4, s.bizStep).text(5, s.disposition).text(6, s.parentID);
  for (const id of s.epcs) w.always(7, utf8(id));
  for (const id of s.outputEPCs) w.always(8, utf8(id));
  const quantity = (n: number, q: Quantity) => w.always(n, new Writer().text(1, q.epcClass).text(2, q.uom).text(3, q.amount ?? "").bytes());
  for (const q of s.quantities) quantity(9, q);
  for (const q of s.outputQuantities) quantity(10, q);
  const party = (n: number, p: Party) => w.always(n, new Writer().text(1, p.type).text(2, p.id).bytes());
  for (const p of s.sources) party(11, p);
  for (const p of s.destinations) party(12, p);
  w.text(13, s.transformationID).text(14, s.eventID);
  if (s.declaration && declaration) {
    const d = new Writer().always(1, be64(s.declaration.time)).text(2, s.declaration.reason);
    for (const id of s.declaration.corrections) d.always(3, utf8(id));
    w.always(15, d.bytes());
  }
  if (s.order) w.always(16, new Writer().uint(1, s.order.what).text(2, s.order.eventID).text(3, s.order.class).bytes());
  if (s.act) w.always(17, new Writer().text(1, s.act.name).field(2, s.act.fields).bytes());
  w.text(18, s.author);
  for (const one of s.sensors) w.always(19, encodeSensor(one, s.eventTime));
  return w.bytes();
}

/** decodeSkeleton reads a skeleton in its one encoding. */
export function decodeSkeleton(b: Bytes): Skeleton {
  const s = newSkeleton();
  const quantity = (v: Bytes): Quantity => {
    let [epcClass, uom, amount]: [string, string, string | undefined] = ["", "", undefined];
    for (const f of fields(v)) {
      if (f.n === 1) epcClass = text(f.v);
      else if (f.n === 2) uom = text(f.v);
      else if (f.n === 3) amount = decimal(text(f.v));
      else refuse("a quantity with an unknown field");
    }
    return amount === undefined ? { epcClass, uom } : { epcClass, uom, amount };
  };
  const party = (v: Bytes): Party => {
    let [type, id] = ["", ""];
    for (const f of fields(v)) {
      if (f.n === 1) type = text(f.v);
      else if (f.n === 2) id = text(f.v);
      else refuse("a party with an unknown field");
    }
    return { type, id };
  };
  for (const f of fields(b)) {
    switch (f.n) {
      case 1: s.type = Number(uint(f.v, 7n)); break;
      case 2: s.action = Number(uint(f.v, 3n)); break;
      case 3: s.eventTime = signed64(f.v); break;
      case 4: s.bizStep = text(f.v); break;
      case 5: s.disposition = text(f.v); break;
      case 6: s.parentID = text(f.v); break;
      case 7: s.epcs.push(text(f.v)); break;
      case 8: s.outputEPCs.push(text(f.v)); break;
      case 9: s.quantities.push(quantity(f.v)); break;
      case 10: s.outputQuantities.push(quantity(f.v)); break;
      case 11: s.sources.push(party(f.v)); break;
      case 12: s.destinations.push(party(f.v)); break;
      case 13: s.transformationID = text(f.v); break;
      case 14: s.eventID = text(f.v); break;
      case 15: s.declaration = decodeDeclaration(f.v); break;
      case 16: s.order = decodeOrderField(f.v); break;
      case 17: s.act = decodeActField(f.v); break;
      case 18: s.author = text(f.v); break;
      case 19: {
        const one = decodeSensor(f.v, s.eventTime);
        const last = s.sensors.at(-1);
        if (last && compareText(last.device, one.device) >= 0) refuse("sensors out of order");
        s.sensors.push(one);
        break;
      }
      default: refuse("a skeleton with an unknown field");
    }
  }
  if ((s.type === ORDER) !== (s.order !== undefined)) refuse("a skeleton of an order without one, or of an event with one");
  if (s.order && !equal(encodeSkeleton({ ...newSkeleton(), type: ORDER, eventTime: s.eventTime, order: s.order }), b)) refuse("an order that says more than one does");
  if ((s.type === ACT) !== (s.act !== undefined)) refuse("a skeleton of an act without one, or of something else with one");
  if (s.act && !equal(encodeSkeleton({ ...newSkeleton(), type: ACT, eventTime: s.eventTime, act: s.act, author: s.author }), b)) refuse("an act that says more than one does");
  if (s.type === 0 || !equal(encodeSkeleton(s), b)) refuse("a skeleton that is not in its one encoding");
  return s;
}

function decodeOrderField(v: Bytes): Order {
  let [what, eventID, cls] = [0, "", ""];
  for (const f of fields(v)) {
    if (f.n === 1) what = Number(uint(f.v, 4n));
    else if (f.n === 2) eventID = text(f.v);
    else if (f.n === 3) cls = text(f.v);
    else refuse("an order with an unknown field");
  }
  return what > 0 && eventID && (what === CLASSIFY) === (cls !== "") ? { what, eventID, class: cls } : refuse("an order that says nothing");
}

function decodeActField(v: Bytes): Act {
  let [name, members] = ["", new Uint8Array(0) as Bytes];
  for (const f of fields(v)) {
    if (f.n === 1) name = text(f.v);
    else if (f.n === 2) members = f.v;
    else refuse("an act with an unknown field");
  }
  for (const _ of fields(members)); // they are fields
  return ACTS.has(name) ? { name, fields: members } : refuse(`an act ${quote(name)} that is none`);
}

function decodeDeclaration(v: Bytes): Declaration {
  let time = 0n;
  let reason = "";
  const corrections: string[] = [];
  for (const f of fields(v)) {
    if (f.n === 1) time = signed64(f.v);
    else if (f.n === 2) reason = text(f.v);
    else if (f.n === 3) corrections.push(text(f.v));
    else refuse("an error declaration with an unknown field");
  }
  return { time, reason, corrections };
}

function newSkeleton(): Skeleton {
  return {
    type: 0, action: 0, eventTime: 0n, bizStep: "", disposition: "", parentID: "", epcs: [], outputEPCs: [], quantities: [], outputQuantities: [],
    sources: [], destinations: [], transformationID: "", eventID: "", author: "", sensors: [],
  };
}

/** contentHash is what an error declaration must repeat. */
export const contentHash = (s: Skeleton): Promise<Bytes> => sum("waybill/content", encodeSkeleton({ ...s, author: "" }, false));

export const derivedEventID = (digest: Bytes): string => `ni:///sha-256;${hex(digest)}?ver=waybill1`;

/** decimal brings a JSON number to the canonical form of a decimal. */
export function decimal(raw: string): string {
  const m = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(raw);
  if (!m) return refuse("no decimal number");
  const digits = (m[2]! + (m[3] ?? "")).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  let point = BigInt(m[2]! === "0" ? 0 : m[2]!.length) + BigInt(m[4] ?? "0"); // digits before the point
  if (m[2] === "0") point -= BigInt((m[3] ?? "").length - (m[3] ?? "").replace(/^0+/, "").length);
  if (point > 18n || BigInt(significant.length) - point > 12n) refuse("a decimal number with too many digits");
  const at = Number(point);
  let out: string;
  if (at <= 0) out = "0." + "0".repeat(-at) + significant;
  else if (at >= significant.length) out = significant + "0".repeat(at - significant.length);
  else out = significant.slice(0, at) + "." + significant.slice(at);
  return m[1] + out;
}

/** time reads an EPCIS time as nanoseconds since 1970. */
export function time(s: string): bigint {
  const m = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9})0*)?(Z|[+-][0-9]{2}:[0-9]{2})$/.exec(s);
  if (!m) return refuse(`no time: ${quote(s)}`);
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
  if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 || day > days || hour > 23 || minute > 59 || second > 59) refuse(`no time: ${quote(s)}`);
  let offset = 0;
  if (m[8] !== "Z") {
    const [h, min] = [Number(m[8]!.slice(1, 3)), Number(m[8]!.slice(4, 6))];
    if (min > 59 || h * 60 + min > 14 * 60) refuse(`no offset: ${quote(s)}`);
    offset = (m[8]![0] === "-" ? -1 : 1) * (h * 60 + min);
  }
  const seconds = BigInt(Date.UTC(year, month - 1, day, hour, minute, second)) / 1000n - BigInt(offset) * 60n;
  return seconds * 1000000000n + BigInt((m[7] ?? "").padEnd(9, "0"));
}

// Prefixes and terms.

const STANDARD: ReadonlyMap<string, string> = new Map([
  ["cbv", "https://ref.gs1.org/cbv/"], ["cbvmda", "urn:epcglobal:cbv:mda:"], ["gs1", "https://gs1.org/voc/"], ["epcis", "https://ref.gs1.org/epcis/"],
  ["dcterms", "http://purl.org/dc/terms/"], ["owl", "http://www.w3.org/2002/07/owl#"], ["rdfs", "http://www.w3.org/2000/01/rdf-schema#"], ["xsd", "http://www.w3.org/2001/XMLSchema#"],
]);

type Prefixes = Map<string, string>;

function expand(own: Prefixes, s: string): string {
  const colon = s.indexOf(":");
  if (colon <= 0) return s;
  const [name, rest] = [s.slice(0, colon), s.slice(colon + 1)];
  if (rest.startsWith("//") || name === "urn" || name === "http" || name === "https") return s;
  const iri = own.get(name) || STANDARD.get(name);
  return iri ? iri + rest : s;
}

function readContext(own: Prefixes, v: Value): void {
  if (v.kind === "array") {
    for (const e of v.values) readEntry(own, e);
  } else {
    readEntry(own, v);
  }
}

function readEntry(own: Prefixes, v: Value): void {
  if (v.kind === "string") return; // a URL: never fetched
  if (v.kind !== "object") return refuse("a context that is none");
  for (const m of v.members) {
    if (m.name.startsWith("@")) continue;
    let of = m.value;
    if (of.kind === "object") {
      const id = of.members.find((e) => e.name === "@id");
      if (id === undefined) continue; // how a term's values are read, not what it stands for
      of = id.value;
    }
    if (of.kind === "null" || (of.kind === "string" && of.text.startsWith("@"))) own.delete(m.name);
    else if (of.kind === "string") own.set(m.name, expand(own, of.text));
    else refuse("a prefix without a URI");
  }
}

interface Vocabulary {
  readonly urn: string;
  readonly web: string;
  readonly words: ReadonlySet<string>;
}

const vocabulary = (urn: string, web: string, words: string): Vocabulary => ({ urn, web, words: new Set(words.split(/\s+/)) });

const BIZ_STEPS = vocabulary("bizstep:", "BizStep-",
  `accepting arriving assembling collecting commissioning consigning creating_class_instance cycle_counting decommissioning departing destroying
  disassembling dispensing encoding entering_exiting holding inspecting installing killing loading other packing picking receiving removing repackaging
  repairing replacing reserving retail_selling sampling sensor_reporting shipping staging_outbound stock_taking stocking storing transporting unloading
  unpacking void_shipping`);
const DISPOSITIONS = vocabulary("disp:", "Disp-",
  `active available completeness_inferred completeness_verified conformant container_closed container_open damaged destroyed dispensed disposed encoded
  expired in_progress in_transit inactive mismatch_class mismatch_instance mismatch_quantity needs_replacement no_pedigree_match non_conformant
  non_sellable_other partially_dispensed recalled reserved retail_sold returned sellable_accessible sellable_not_accessible stolen unavailable unknown`);
const PARTY_TYPES = vocabulary("sdt:", "SDT-", "location owning_party possessing_party");
const REASONS = vocabulary("er:", "ER-", "did_not_occur incorrect_data");

function term(v: Vocabulary, own: Prefixes, s: string): string {
  const word = (w: string): string => (v.words.has(w) ? w : refuse(`no word of the vocabulary: ${quote(s)}`));
  if (!s.includes(":")) return word(s);
  const uri = expand(own, s);
  if (!isURI(uri)) refuse(`no word and no URI: ${quote(s)}`);
  if (uri.startsWith("urn:epcglobal:cbv:")) {
    const name = uri.slice("urn:epcglobal:cbv:".length);
    return name.startsWith(v.urn) ? word(name.slice(v.urn.length)) : refuse(`a term of another list: ${quote(s)}`);
  }
  for (const space of ["https://ref.gs1.org/cbv/", "https://ns.gs1.org/cbv/"]) {
    if (uri.startsWith(space + v.web)) return word(uri.slice(space.length + v.web.length));
  }
  return uri;
}

/** Event is an event as its body tells it. */
export interface DecodedEvent {
  readonly skeleton: Skeleton;
  readonly names: readonly string[]; // of its members, as written
}

/** decodeEvent derives the skeleton of an event from its body. */
export function decodeEvent(body: Bytes): DecodedEvent {
  if (body.length > 1 << 20) refuse("an event of more than 1 MiB");
  const v = parse(body);
  if (v.kind !== "object") return refuse("an event that is no object");
  const at = new Map(v.members.map((m) => [m.name, m.value]));
  const own: Prefixes = new Map();
  const context = at.get("@context");
  if (context) readContext(own, context);
  const str = (name: string): string | undefined => {
    const m = at.get(name);
    return m === undefined ? undefined : stringOf(m);
  };
  const s = newSkeleton();
  s.type = Math.max(0, TYPES.indexOf(str("type") || "none"));
  if (s.type === 0 || s.type === ORDER) refuse("an event without a type");
  const action = str("action");
  if (action !== undefined && (s.action = ACTIONS.indexOf(action || "none")) < 1) refuse("an event with an unknown action");
  s.eventTime = time(str("eventTime") ?? "");
  s.eventID = str("eventID") ?? "";
  if (at.has("waybill:author") && expand(own, "waybill:author") === "urn:waybill:author") s.author = str("waybill:author")!;
  const declaration = at.get("errorDeclaration");
  if (declaration) s.declaration = declarationOf(own, declaration);
  const step = str("bizStep");
  if (step !== undefined) s.bizStep = term(BIZ_STEPS, own, step);
  const disposition = str("disposition");
  if (disposition !== undefined) s.disposition = term(DISPOSITIONS, own, disposition);
  const id = (t: string): string => canonical(t.startsWith("http") || t.startsWith("urn:") ? t : expand(own, t)).id;
  const epcs = (name: string): string[] => [...new Set(list(at.get(name)).map((e) => id(stringOf(e))))];
  const quantities = (name: string): Quantity[] => list(at.get(name)).map((e) => quantityOf(e, id));
  switch (s.type) {
    case AGGREGATION:
    case ASSOCIATION:
      s.epcs = epcs("childEPCs");
      s.quantities = quantities("childQuantityList");
      break;
    case TRANSFORMATION:
      s.epcs = epcs("inputEPCList");
      s.quantities = quantities("inputQuantityList");
      s.outputEPCs = epcs("outputEPCList");
      s.outputQuantities = quantities("outputQuantityList");
      break;
    default:
      s.epcs = epcs("epcList");
      s.quantities = quantities("quantityList");
  }
  const parent = str("parentID");
  if (parent !== undefined) s.parentID = id(parent);
  const transformation = str("transformationID");
  if (transformation !== undefined) s.transformationID = id(transformation);
  s.sources = list(at.get("sourceList")).map((e) => partyOf(own, e, "source", id));
  s.destinations = list(at.get("destinationList")).map((e) => partyOf(own, e, "destination", id));
  s.sensors = sensorsOf(at.get("sensorElementList"), s.eventTime, { expand: (t) => expand(own, t), id, time });
  return { skeleton: s, names: v.members.map((m) => m.name) };
}

/** decodeOrder derives the skeleton of an order from its body. */
export function decodeOrder(body: Bytes): DecodedEvent {
  if (body.length > 1 << 20) refuse("an order of more than 1 MiB");
  const v = parse(body);
  if (v.kind !== "object") return refuse("an order that is no object");
  const at = new Map(v.members.map((m) => [m.name, stringOf(m.value)]));
  if (v.members.some((m) => !["type", "order", "eventID", "eventTime", "class", "reason"].includes(m.name))) refuse("an order with an unknown member");
  if (at.get("type") !== TYPES[ORDER]) refuse("an order of another type");
  const what = ORDERS.indexOf(at.get("order") || "none");
  const eventID = at.get("eventID") ?? "";
  if (what < 1 || !isURI(eventID)) refuse("an order that says nothing");
  const cls = at.get("class") ?? "";
  if (at.has("class") !== (what === CLASSIFY) || (what === CLASSIFY && !/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(cls))) refuse("an order with a class that has none, or without one");
  if (utf8(at.get("reason") ?? "").length > 1000) refuse("a reason of more than 1,000 bytes");
  const skeleton = { ...newSkeleton(), type: ORDER, eventTime: time(at.get("eventTime") ?? ""), order: { what, eventID, class: cls } };
  return { skeleton, names: v.members.map((m) => m.name) };
}

/** decodeAct reads the body of an act, which must be that of the skeleton beside it: the ledger derived one from the other. */
function decodeAct(body: Bytes, skeleton: Skeleton): DecodedEvent {
  if (body.length > 1 << 20) refuse("an act of more than 1 MiB");
  const v = parse(body);
  if (v.kind !== "object") return refuse("an act that is no object");
  const at = membersOf(v);
  const [type, eventTime] = [at.get("type"), at.get("eventTime")].map((m) => stringOf(m ?? refuse("an act without type or eventTime")));
  const author = at.get("author");
  if ((author === undefined ? "" : stringOf(author)) !== skeleton.author) refuse("an act of another author");
  if (type !== skeleton.act?.name || time(eventTime!) !== skeleton.eventTime) refuse("an act with the skeleton of another");
  return { skeleton, names: v.members.map((m) => m.name) };
}

/** authorMembers are the names of the two members of a body that are about its author. */
export const authorMembers = (kind: number): [author: string, signature: string] => (kind === 1 ? ["waybill:author", "waybill:authorSignature"] : ["author", "authorSignature"]);

function stringOf(v: Value): string {
  return v.kind === "string" ? v.text : refuse("a member that must be a string");
}

function list(v: Value | undefined): readonly Value[] {
  if (v === undefined) return [];
  return v.kind === "array" ? v.values : refuse("a member that must be a list");
}

function membersOf(v: Value): Map<string, Value> {
  return v.kind === "object" ? new Map(v.members.map((m) => [m.name, m.value])) : refuse("a member that must be an object");
}

function quantityOf(v: Value, id: (s: string) => string): Quantity {
  const m = membersOf(v);
  const epcClass = id(stringOf(m.get("epcClass") ?? refuse("a quantity without a class")));
  const unit = m.get("uom");
  const uom = unit === undefined ? "" : stringOf(unit);
  const amount = m.get("quantity");
  if (amount === undefined) return { epcClass, uom };
  return amount.kind === "number" ? { epcClass, uom, amount: decimal(amount.raw) } : refuse("a quantity that is no number");
}

function partyOf(own: Prefixes, v: Value, role: string, id: (s: string) => string): Party {
  const m = membersOf(v);
  const type = term(PARTY_TYPES, own, stringOf(m.get("type") ?? refuse("a party without a type")));
  return { type, id: id(stringOf(m.get(role) ?? refuse("a party without an identifier"))) };
}

function declarationOf(own: Prefixes, v: Value): Declaration {
  const m = membersOf(v);
  const reason = m.get("reason");
  return {
    time: time(stringOf(m.get("declarationTime") ?? refuse("an error declaration without a time"))),
    reason: reason === undefined ? "" : term(REASONS, own, stringOf(reason)),
    corrections: list(m.get("correctiveEventIDs")).map(stringOf),
  };
}

/** bodyOf writes members as one object, and checks that they are its members. */
export function bodyOf(members: readonly { name: string; value: Bytes }[]): Bytes {
  const parts: Uint8Array[] = [utf8("{")];
  members.forEach((m, i) => {
    parts.push(utf8((i > 0 ? "," : "") + quote(m.name) + ":"), m.value);
  });
  parts.push(utf8("}"));
  return join(parts);
}

/** eventOf decodes the body, of an event (1), an order (2) or an act (3, whose skeleton is given), that has these members, and no others. */
export function eventOf(kind: number, members: readonly { name: string; value: Bytes }[], act?: Bytes): { body: Bytes; skeleton: Skeleton } {
  const body = bodyOf(members);
  const e = act ? decodeAct(body, decodeSkeleton(act)) : kind === 2 ? decodeOrder(body) : decodeEvent(body);
  if (e.names.length !== members.length) refuse("a body whose members are not those that it was made of");
  members.forEach((m, i) => {
    if (e.names[i] !== m.name) refuse("a body whose members are not those that it was made of");
    if (i > 0 && compareText(m.name, members[i - 1]!.name) <= 0) refuse("members that do not ascend by name");
    parse(m.value); // one value, not two members
  });
  return { body, skeleton: e.skeleton };
}

export { isClass };
