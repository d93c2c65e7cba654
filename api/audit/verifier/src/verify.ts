// The checks of a bundle, in their order (docs/format-bundle.md, "What is checked"),
// and what it then says.

import {
  ACT_KIND, type Bundle, type Leaf, type Message, type Subject, type SubjectKind, type Transaction, type WitnessedPart, CLASS, ITEM, PARTNER, SHIPMENT, UNKNOWN, decode,
} from "./bundle.js";
import { type Bytes, Refused, be32, compareText, equal, hex, refuse, text, unhex, utf8 } from "./bytes.js";
import { type MainTrail, type Placed, type Thing, search, thingKey } from "./closure.js";
import { ACTS, ANY_ACT, codeName } from "./codes.js";
import { ACTIONS, ADD, AGGREGATION, DELETE, OBJECT, ORDERS, type Skeleton, TRANSFORMATION, TYPES, authorMembers, contentHash, decodeSkeleton, derivedEventID, encodeSkeleton, eventOf } from "./event.js";
import { timeText } from "./form.js";
import { type Head, absent, ed25519, included, inclusionRoot, macs, member, merkleRoot, rangeRoot, sum } from "./hash.js";
import { anchorEntry, checkCommit, checkSkip, headerHash, nextHash, setHash } from "./headers.js";
import { type Scheme, canonical } from "./identifier.js";
import {
  APPLIED, DUPLICATE, EFFECTS, HOLDINGS, type Item, type Key, type Locator, STANDINGS, STATES, type TransactionHeader, accumulatorKey, balanceKey, classKey,
  compareLocators, decodeBalance, decodeHead, decodeHeader, decodeItem, decodeKey, decodePartner, decodeRelease, entry, itemKey, keyKey, noHead,
  partnerKey, registerKey, releaseKey, transactionID,
} from "./ledger.js";
import { type Shipment, decodeShipment, decodeUnits, disputeKey, handoverKey, handoverReport, records, shipmentKey, unitsKey } from "./shipment.js";
import { type Rescue, accepts, rescueKey, rescueOf, rescueReport } from "./rescue.js";
import type { Trust } from "./trust.js";
import { type Demand, cosigned } from "./witness.js";

const EXTERNAL = "external:";
const KINDS = ["", "item", "class", "unknown", "partner", "shipment"];
const TRAILS: Readonly<Record<string, string>> = { c: "custody trail", o: "observation trail", l: "class trail", p: "partner trail", s: "shipment trail" };
const TRAILS_OF: Readonly<Record<SubjectKind, readonly string[]>> = { 1: ["c", "o"], 2: ["l"], 3: [], 4: ["p"], 5: ["s"] };

interface Trail {
  readonly letter: string;
  readonly first: bigint;
  readonly beside: readonly Bytes[];
  readonly head: Head;
  readonly entries: Bytes[];
  readonly records: Placed[];
}

interface SubjectState {
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

interface EventState {
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

/**
 * verify checks a bundle against a root of trust, and answers its statement as plain data. Across a rescue the bundle
 * holds only if the rescue's id is among the accepted ones.
 */
export async function verify(bundle: Uint8Array, trust: Trust, demand: Demand = { witnesses: [], needed: 0 }, accepted: readonly Bytes[] = []): Promise<Record<string, unknown>> {
  return new Verification(decode(bundle as Bytes), trust, accepted).run(demand);
}

class Verification {
  private readonly headers = new Map<bigint, Bytes>();
  private readonly subjects: SubjectState[] = [];
  private readonly places = new Map<string, SubjectState>();
  private readonly partners = new Map<string, { keys: Map<string, { key: Key; used: boolean }>; leaf: ReturnType<typeof decodePartner> | undefined; used: boolean }>();
  private readonly events: EventState[] = [];
  private readonly times = new Map<bigint, bigint>();
  private anchors: Head = noHead;
  private root!: Bytes;
  private next!: Bytes;
  private known: Bundle["validators"] | undefined;
  private bare = false;
  private complete = false;
  private signed = { signed: 0n, total: 0n };
  private readonly seen: { part: WitnessedPart; root: Bytes; height: bigint }[] = [];
  private readonly witnessed: object[] = [];

  private readonly rescues: { rescue: Rescue; crossed: boolean }[] = [];
  private ahead: Rescue[] = []; // not met on the way yet

  constructor(private readonly b: Bundle, private readonly trust: Trust, private readonly accepted: readonly Bytes[]) {}

  async run(demand: Demand): Promise<Record<string, unknown>> {
    await this.readRescues();
    await this.checkHeaders();
    await this.checkRescues();
    await this.checkAccumulator();
    await this.checkSubjects();
    await this.checkShipment();
    await this.checkCustodians();
    await this.checkPartners();
    await this.checkTransactions();
    await this.checkTrails();
    this.checkNeeds();
    await this.checkBalances();
    await this.checkBlocks();
    await this.checkWitnessed();
    await this.findVoided();
    await this.hear(demand);
    return this.report();
  }

  private get state(): Bundle["header"] {
    return this.b.anchor?.header ?? this.b.header;
  }

  private get height(): bigint {
    return this.state.height - 1n;
  }

  private async checkHeaders(): Promise<void> {
    const { b, trust } = this;
    if (b.chainID !== trust.chainID) refuse(`chain: the bundle is of ${JSON.stringify(b.chainID)}, the trusted one is ${JSON.stringify(trust.chainID)}`);
    this.next = trust.setHash;
    let last = 0n;
    for (const [i, step] of b.steps.entries()) {
      if (step.header === undefined) {
        if (i > 0 || step.commit !== undefined) refuse(`step ${i}: it has no header`);
        if (!equal(await setHash(step.validators), trust.setHash)) refuse("step 0: the set is not the trusted one");
        this.known = step.validators;
        this.bare = true;
        continue;
      }
      if (step.header.height <= last) refuse(`step ${i}: its height does not ascend`);
      last = step.header.height;
      if (step.commit === undefined) refuse(`step ${i}: it has no commit`);
      await this.follow(step.header, step.commit!, step.validators);
    }
    if (b.header.height <= last) refuse("header: its height does not ascend");
    this.signed = await this.follow(b.header, b.commit, b.validators);
    if (this.bare) refuse("step 0: nothing needs the trusted set");
  }

  /** follow checks one signed header: that a trusted set signed it. */
  private async follow(h: Bundle["header"], c: Bundle["commit"], set: Bundle["validators"]): Promise<{ signed: bigint; total: bigint }> {
    const t = this.trust;
    const own = await setHash(set);
    if (h.height < 1n || equal(h.next, own)) refuse("header: no height, or its own validators are written out as the next");
    const hash = await headerHash(this.b.chainID, h, own);
    const where = `header at height ${h.height}`;
    let skipped = false;
    if (h.height === t.height) {
      if (!equal(hash, t.headerHash) || h.time !== t.time) refuse(`${where}: it is not the trusted one`);
    } else if (h.height > t.height ? h.time <= t.time : h.time >= t.time) {
      refuse(`${where}: its time and that of the root of trust contradict each other`);
    }
    if (h.height <= t.height) {
      if (!equal(own, t.setHash)) refuse(`${where}: its validators are not the trusted ones`);
    } else if (!equal(own, this.next)) {
      if (this.known === undefined) refuse(`${where}: its validators are not the trusted ones, and no step leads there`);
      skipped = true;
    }
    const power = await checkCommit(this.b.chainID, h, hash, c, set);
    if (skipped) checkSkip(c, set, this.known!);
    if (h.height > t.height && this.bare) {
      if (!skipped) refuse("step 0: nothing needs the trusted set");
      this.bare = false;
    }
    if (h.height >= t.height) {
      this.next = h.next.length === 0 ? own : h.next;
      this.known = set;
      await this.cross(h.height, hash, own);
    }
    this.headers.set(h.height, hash);
    return power;
  }

  /** readRescues checks the documents by themselves. */
  private async readRescues(): Promise<void> {
    const { b, trust } = this;
    if (b.rescues.length > 16) refuse("rescues: too many");
    for (const part of b.rescues) {
      const r = await rescueOf(part.document);
      const last = this.rescues.at(-1)?.rescue;
      if (r.chainID !== b.chainID || (last && (r.epoch <= last.epoch || r.height <= last.height)) || r.height >= b.header.height) {
        refuse(`rescue at height ${r.height}: of another chain, out of order, or nothing here is later`);
      }
      const crossed = r.height >= trust.height;
      if (crossed) {
        if (!accepts(this.accepted, r)) refuse(`the network was restarted behind block ${r.height} by rescue ${hex(r.id)}, which is not accepted`);
        this.ahead.push(r);
      }
      this.rescues.push({ rescue: r, crossed });
    }
  }

  /** cross goes over a rescue behind a header that is believed. */
  private async cross(height: bigint, hash: Bytes, set: Bytes): Promise<void> {
    const r = this.ahead[0];
    if (r?.height !== height) return;
    if (!equal(r.header, hash) || !equal(await setHash(r.before), set)) refuse(`rescue at height ${height}: of another header, or of other validators, than those that are trusted`);
    this.ahead.shift();
    this.known = r.after;
    this.next = await setHash(r.after);
  }

  /** checkRescues proves that each is a fact of the ledger, as soon as a header can tell. */
  private async checkRescues(): Promise<void> {
    const { b } = this;
    if (this.ahead.length > 0) refuse(`rescue at height ${this.ahead[0]!.height}: no step is the header at that height`);
    for (const [i, { rescue, crossed }] of this.rescues.entries()) {
      const part = b.rescues[i]!;
      if (b.header.height === rescue.height + 1n) {
        if (part.path.length > 0 || !crossed) refuse(`rescue at height ${rescue.height}: the header behind it cannot prove it`);
      } else {
        await member(b.header.app, rescueKey(rescue.epoch), part.document, part.path, `rescue at height ${rescue.height}`);
      }
    }
  }

  private async checkAccumulator(): Promise<void> {
    const { b } = this;
    this.root = b.header.app;
    if (b.accumulator) {
      await member(b.header.app, accumulatorKey(), b.accumulator.value, b.accumulator.path, "header accumulator");
      this.anchors = decodeHead(b.accumulator.value);
    }
    const a = b.anchor;
    if (!a) return;
    const h = a.header;
    if (h.height < 1n || h.height >= b.header.height || equal(h.next, a.validators)) refuse("anchor: its height is not below the header's, or its own validators are written out as the next");
    const hash = await headerHash(b.chainID, h, a.validators);
    if (!(await included(this.anchors, a.index, await anchorEntry(h.height, hash), a.inclusion))) refuse("anchor: its header is not in the accumulator");
    const proven = this.headers.get(h.height);
    if ((proven && !equal(proven, hash)) || (h.height === this.trust.height && !equal(hash, this.trust.headerHash))) refuse("anchor: another header of its height is trusted");
    this.headers.set(h.height, hash);
    this.root = h.app;
  }

  private leaf(key: Bytes, l: Leaf, where: string): Promise<void> {
    return member(this.root, key, l.value, l.path, where);
  }

  private async checkSubjects(): Promise<void> {
    const parts = this.b.subjects;
    if (parts.length === 0) refuse("subjects: the bundle has none");
    const both = parts.length > 1 && parts[0]!.kind === ITEM && parts[1]!.kind === CLASS && parts[0]!.id === parts[1]!.id;
    const asked = both ? 2 : 1;
    for (const [i, part] of parts.entries()) {
      const where = `${KINDS[part.kind]} ${part.id}`;
      const key = thingKey(part);
      const before = parts[i - 1];
      if (this.places.has(key) || (i > asked && !(before!.kind < part.kind || (before!.kind === part.kind && compareText(before!.id, part.id) < 0)))) {
        refuse(`${where}: it is there twice, or out of order`);
      }
      const s: SubjectState = { part, asked: i < asked, heads: [], trails: [], needed: false, unit: false, contents: [], role: i < asked ? "asked" : "other", alone: false, custodian: "", containers: [], balances: [] };
      this.places.set(key, s);
      this.subjects.push(s);
      await this.checkSubject(s, both, where);
      this.listTrails(s, where);
    }
  }

  private async checkSubject(s: SubjectState, both: boolean, where: string): Promise<void> {
    const { kind, id, value, path, other } = s.part;
    let scheme: Scheme = "private";
    const named = kind === PARTNER || kind === SHIPMENT; // as nothing else can be
    if (kind !== PARTNER) {
      const c = canonical(id);
      if (c.id !== id) refuse(`${where}: it is not in canonical form`);
      scheme = c.scheme;
      if (!named && (kind === UNKNOWN) !== (value === undefined)) refuse(`${where}: its value is missing, or there is one of what is unknown`);
    }
    const ambiguous = scheme === "private" || scheme === "gs1";
    switch (kind) {
      case ITEM:
        await member(this.root, itemKey(id), value!, path, where);
        s.item = decodeItem(value!);
        s.heads = [s.item.custody, s.item.observations];
        break;
      case CLASS:
        await member(this.root, classKey(id), value!, path, where);
        s.heads = [decodeHead(value!)];
        break;
      case UNKNOWN:
        if (!s.asked || other === undefined) return refuse(`${where}: nobody asked for it, or a path is missing`);
        await absent(this.root, itemKey(id), path, where);
        return absent(this.root, classKey(id), other, where);
      case SHIPMENT:
        if (!s.asked || other !== undefined) refuse(`${where}: nobody asked for it, or it has a path too many`);
        s.heads = [noHead];
        if (value === undefined) return absent(this.root, shipmentKey(id), path, where);
        await member(this.root, shipmentKey(id), value, path, where);
        s.shipment = decodeShipment(value);
        s.heads = [s.shipment.trail];
        return;
      case PARTNER:
        if (!s.asked || other !== undefined) refuse(`${where}: nobody asked for it, or it has a path too many`);
        if (value === undefined) {
          await absent(this.root, registerKey(id), path, where);
          s.heads = [noHead];
          return;
        }
        await member(this.root, registerKey(id), value, path, where);
        s.heads = [decodeHead(value, true)];
        return;
    }
    s.alone = !ambiguous || other !== undefined;
    if (other === undefined) return;
    if (!s.asked || !ambiguous || both) refuse(`${where}: it has a path too many`);
    await absent(this.root, kind === ITEM ? classKey(id) : itemKey(id), other, where);
  }

  /** isWhole tells whether all records of what was asked for must be there. */
  private isWhole(s: SubjectState): boolean {
    return s.asked && s.part.kind !== PARTNER && (s.part.kind !== CLASS || this.b.ancestors > 0);
  }

  private listTrails(s: SubjectState, where: string): void {
    const listed = [...s.part.trails];
    TRAILS_OF[s.part.kind].forEach((letter, i) => {
      const head = s.heads[i]!;
      const part = listed[0];
      if (part?.kind === letter) {
        listed.shift();
        if (head.count === 0n) refuse(`${where}: its ${TRAILS[letter]} has no records`);
        if (this.isWhole(s) && part.first !== 0n) refuse(`${where}: its ${TRAILS[letter]} does not begin with the first record`);
        s.trails.push({ letter, first: part.first, beside: part.beside, head, entries: [], records: [] });
      } else if (s.asked && i === 0 && s.part.kind !== PARTNER && head.count > 0n) {
        refuse(`${where}: its ${TRAILS[letter]} is missing`);
      }
    });
    if (listed.length > 0) refuse(`${where}: it has a trail that such a subject has not, or trails out of order`);
  }

  /** checkShipment proves what is told of a shipment beside its leaf. */
  private async checkShipment(): Promise<void> {
    const { b } = this;
    const asked = this.subjects[0]!;
    const s = asked.shipment;
    if (asked.part.kind === SHIPMENT && (b.containers || b.ancestors > 0)) refuse("scope: containers or ancestors of a shipment");
    if (b.units && !s) refuse("scope: units of what is no shipment that the ledger has");
    if (BigInt(b.handovers.length) !== (s?.handovers ?? 0n)) refuse("hand-overs: more or fewer than the shipment has");
    if ((b.unitsLeaf !== undefined) !== (b.units && s!.items > 0n)) refuse("units: their leaf is missing, or nothing needs it");
    const id = asked.part.id;
    for (const [i, h] of b.handovers.entries()) {
      const where = `hand-over ${i + 1}`;
      await this.leaf(handoverKey(id, BigInt(i + 1)), h.leaf, where);
      const key = disputeKey(id, BigInt(i + 1));
      if (h.dispute.value.length === 0) await absent(this.root, key, h.dispute.path, `${where}: no dispute`);
      else await this.leaf(key, h.dispute, `${where}: dispute`);
    }
    if (!b.unitsLeaf) return;
    await this.leaf(unitsKey(id), b.unitsLeaf, "units");
    asked.contents = decodeUnits(b.unitsLeaf.value);
    for (const unit of asked.contents) {
      const u = this.places.get(thingKey({ kind: ITEM, id: unit })) ?? refuse(`unit ${unit}: its leaf is missing`);
      u.unit = u.needed = true;
    }
  }

  private async checkCustodians(): Promise<void> {
    const releases = new Map<string, { leaf: Leaf; used: boolean }>();
    let last: { container: string; epoch: bigint } | undefined;
    for (const r of this.b.releases) {
      if (last) {
        const order = compareText(last.container, r.container);
        if (order > 0 || (order === 0 && last.epoch >= r.epoch)) refuse(`release of ${r.container}: it is there twice, or out of order`);
      }
      last = r;
      releases.set(`${r.epoch} ${r.container}`, { leaf: r.leaf, used: false });
    }
    for (const s of this.subjects) {
      if ((s.asked || s.unit) && s.item) s.custodian = await this.custodian(s, s.item, releases);
    }
    if ([...releases.values()].some((r) => !r.used)) refuse("a release that nothing needs");
  }

  private async custodian(s: SubjectState, first: Item, releases: Map<string, { leaf: Leaf; used: boolean }>): Promise<string> {
    let it = first;
    while (it.parent !== "") {
      const id = it.parent;
      const parent = this.places.get(thingKey({ kind: ITEM, id }));
      if (!parent?.item) return refuse(`container ${id}: its leaf is missing`);
      parent.needed = true;
      if (parent.item.epoch !== it.parentEpoch) {
        const at = `${it.parentEpoch} ${id}`;
        const r = releases.get(at) ?? refuse(`container ${id}: it was emptied, and the leaf of who did is missing`);
        if (!r.used) await this.leaf(releaseKey(id, it.parentEpoch), r.leaf, `release of ${id}`);
        r.used = true;
        return decodeRelease(r.leaf.value);
      }
      if (s.containers.length === 16) refuse(`container ${id}: nested too deep`);
      s.containers.push(id);
      it = parent.item;
    }
    return it.custodian;
  }

  private async checkPartners(): Promise<void> {
    let last = "";
    for (const p of this.b.partners) {
      if (compareText(p.id, last) <= 0) refuse(`partner ${p.id}: ids ascend`);
      last = p.id;
      let leaf: ReturnType<typeof decodePartner> | undefined;
      if ((p.leaf !== undefined) !== this.b.names) refuse(`partner ${p.id}: its leaf is missing, or the scope has no names`);
      if (p.leaf) {
        await this.leaf(partnerKey(p.id), p.leaf, `partner ${p.id}`);
        leaf = decodePartner(p.id, p.leaf.value);
      }
      const keys = new Map<string, { key: Key; used: boolean }>();
      let lastKey = "";
      for (const k of p.keys) {
        if (compareText(k.id, lastKey) <= 0) refuse(`key ${k.id} of ${p.id}: ids ascend`);
        lastKey = k.id;
        await this.leaf(keyKey(p.id, k.id), k.leaf, `key ${k.id} of ${p.id}`);
        keys.set(k.id, { key: decodeKey(k.id, k.leaf.value), used: false });
      }
      this.partners.set(p.id, { keys, leaf, used: false });
    }
    for (const { custodian, shipment } of this.subjects) {
      for (const id of shipment?.parties ?? [custodian]) {
        if (!this.b.names || id === "" || id.startsWith(EXTERNAL)) continue;
        const p = this.partners.get(id) ?? refuse(`custodian or party ${id}: the partner's leaf is missing`);
        p.used = true;
      }
    }
  }

  private async checkTransactions(): Promise<void> {
    let last: Locator | undefined;
    for (const t of this.b.transactions) {
      const at = { height: t.height, position: t.position, index: 0 };
      const where = `transaction at height ${t.height}, position ${t.position}`;
      if (last && compareLocators(last, at) >= 0) refuse(`${where}: it stands behind a later one, or twice`);
      last = at;
      if (t.height > this.height) refuse(`${where}: later than the state`);
      const id = await transactionID(t.header);
      const { header, key } = await this.checkSignature(t, id, where);
      let index = -1;
      for (const m of t.messages) {
        if (m.index <= index) refuse(`${where}: messages out of order`);
        index = m.index;
        try {
          await this.checkMessage(m, { ...at, index: m.index }, header, key, id);
        } catch (e) {
          if (e instanceof Refused) refuse(`${where}, message ${m.index}: ${e.message}`);
          throw e;
        }
      }
    }
    for (const [id, p] of this.partners) {
      if (!p.used) refuse(`partner ${id}: no record and no item needs it`);
      for (const [k, { used }] of p.keys) if (!used) refuse(`key ${k} of ${id}: no record needs it`);
    }
  }

  private async checkSignature(t: Transaction, id: Bytes, where: string): Promise<{ header: TransactionHeader; key: Key }> {
    const h = decodeHeader(t.header);
    if (h.chainID !== this.b.chainID || h.rules !== 1n || h.expiry < t.height) refuse(`${where}: of another chain, other rules, or expired`);
    const p = this.partners.get(h.partner);
    const k = p?.keys.get(h.keyID);
    if (!p || !k) return refuse(`${where}: the key ${h.keyID} of ${h.partner} is missing`);
    p.used = k.used = true;
    const { from, until } = k.key;
    if (t.height < from || (until !== 0n && t.height > until)) refuse(`${where}: the key ${h.keyID} of ${h.partner} was not valid`);
    if (!(await ed25519(k.key.public, id, t.signature))) refuse(`${where}: the signature does not hold`);
    return { header: h, key: k.key };
  }

  private async checkMessage(m: Message, at: Locator, h: TransactionHeader, key: Key, transaction: Bytes): Promise<void> {
    if (m.kind < 1 || m.kind > ACT_KIND) refuse(`of kind ${m.kind}, this verifier knows events, orders and acts`);
    const { skeleton, body, digest } = await readEvent(m, h);
    const role = m.kind !== ACT_KIND ? 1n : skeleton?.act ? ACTS.get(skeleton.act.name)! : ANY_ACT;
    if ((key.roles & role) === 0n) refuse(`the key ${key.id} of ${h.partner} may not sign it`);
    const author = await this.checkAuthor(m, at, h, skeleton, role);
    if (!(await included({ root: h.root, count: h.count }, BigInt(m.index), digest, m.inclusion))) refuse("its digest is not in the signed header");
    const trails: { id: string; letter: string }[] = [];
    let before: Message["trails"][number] | undefined;
    for (const ref of m.trails) {
      if (before && (ref.subject < before.subject || (ref.subject === before.subject && ref.kind <= before.kind))) refuse("its trails are out of order");
      before = ref;
      const s = this.subjects[ref.subject];
      const trail = s?.trails.find((t) => t.letter === ref.kind);
      if (!s || !trail) return refuse("in a trail of which the bundle has no records");
      if (ref.kind !== "p" && m.kind === 2) refuse("an order in such a trail");
      if (ref.kind !== "p" && (m.result.code !== 0 || m.result.effect === DUPLICATE)) refuse("its result is none that this trail has");
      trail.entries.push(await entry(ref.kind + s.part.id, digest, transaction, at, m.result));
      trail.records.push({ at, result: m.result, skeleton });
      trails.push({ id: s.part.id, letter: ref.kind });
    }
    this.events.push({ at, message: m, header: h, key, author, transaction, digest, skeleton, body, trails });
  }

  /** checkAuthor checks who signed a message by itself, if somebody did and it is told. */
  private async checkAuthor(m: Message, at: Locator, h: TransactionHeader, skeleton: Skeleton | undefined, role: bigint): Promise<Key | undefined> {
    if (!skeleton || skeleton.author === "") return undefined;
    const k = this.partners.get(h.partner)?.keys.get(skeleton.author) ?? refuse(`the key ${skeleton.author} of ${h.partner}, its author's, is missing`);
    const { from, until, roles } = k.key;
    if (at.height < from || (until !== 0n && at.height > until) || (roles & (8n | role)) === 0n) refuse("its author's key was not valid for it");
    k.used = true;
    if (m.form !== "whole") return k.key;
    const [, name] = authorMembers(m.kind);
    const signature = m.members.find((e) => e.name === name) ?? refuse("its author's signature is missing");
    const signed = m.members.filter((e) => e !== signature).flatMap((e) => [utf8(e.name), e.value]);
    const digest = await sum("waybill/author", utf8(h.chainID), utf8(h.partner), utf8(skeleton.author), be32(m.kind), ...signed);
    if (!(await ed25519(k.key.public, digest, unhex(JSON.parse(text(signature.value)))))) refuse("its author's signature does not hold");
    return k.key;
  }

  private async checkTrails(): Promise<void> {
    for (const s of this.subjects) {
      for (const t of s.trails) {
        const where = `${TRAILS[t.letter]} of ${s.part.id}`;
        if (this.isWhole(s) && BigInt(t.entries.length) !== t.head.count) refuse(`${where}: it has ${t.head.count} records, the bundle ${t.entries.length}`);
        if (!equal(await rangeRoot(t.head.count, t.first, t.entries, t.beside), t.head.root)) refuse(`${where}: the records are not those that the ledger has`);
      }
    }
  }

  private mainTrail(t: Thing): MainTrail | undefined {
    const s = this.places.get(thingKey(t));
    if (!s) return undefined;
    const letter = TRAILS_OF[t.kind][0];
    const trail = s.trails.find((e) => e.letter === letter);
    return { first: trail?.first ?? 0n, count: s.heads[0]?.count ?? 0n, records: trail?.records ?? [] };
  }

  private checkNeeds(): void {
    const asked = this.subjects.filter((s) => s.asked).map((s) => s.part);
    const { needs, cut } = search(asked, this.b.containers, this.b.ancestors, (t) => this.mainTrail(t));
    if (this.b.ancestors > 0 && !cut) {
      const deepest = Math.max(0, ...[...needs.values()].filter((n) => n.follows).map((n) => n.depth));
      if (this.b.ancestors !== deepest + 1) refuse("scope: another number of transformations upstream than lead to the farthest ancestor, and nothing is left out");
      this.complete = true;
    }
    for (const s of this.subjects) {
      if (s.asked) continue;
      const n = needs.get(thingKey(s.part));
      if (!n && (!s.needed || s.trails.length > 0)) refuse(`${s.part.id}: nothing needs it`);
      const main = this.mainTrail(s.part)!;
      if (n?.fromStart && main.first > 0n) refuse(`${s.part.id}: its first records are missing`);
      s.role = n?.follows ? "ancestor" : !n && s.unit ? "unit" : "container";
      const seen = s.trails.find((t) => t.letter === "o");
      if (!seen) continue;
      const over = n?.over ?? refuse(`${s.part.id}: nothing needs its observations`);
      const { 0: first, length } = seen.records;
      if (!first || (seen.first > 0n && compareLocators(first.at, over.from) > 0)) refuse(`${s.part.id}: its first observations are missing`);
      if (seen.first + BigInt(length) < seen.head.count && compareLocators(seen.records[length - 1]!.at, over.to) < 0) refuse(`${s.part.id}: its last observations are missing`);
    }
  }

  private async checkBalances(): Promise<void> {
    const balances = [...this.b.balances];
    for (const s of this.subjects) {
      if (!s.asked || s.part.kind !== CLASS) continue;
      const named = this.namedBalances(s.part.id);
      const sorted = [...named.values()].sort((a, b) => compareText(a.uom, b.uom) || compareText(a.partner, b.partner));
      for (const { uom, partner } of sorted) {
        const leaf = balances.shift() ?? refuse("a balance is missing");
        const key = balanceKey(s.part.id, uom, partner);
        const where = `balance of ${partner}`;
        if (leaf.value.length === 0) {
          await absent(this.root, key, leaf.path, where);
          continue;
        }
        await this.leaf(key, leaf, where);
        const { amount, known } = decodeBalance(leaf.value);
        s.balances.push({ partner, ...(uom && { uom }), ...(amount && { quantity: amount }), known });
      }
    }
    if (balances.length > 0) refuse("a balance that no record names");
  }

  /** namedBalances are the balances of a class that its records name: what rules may have changed. */
  private namedBalances(id: string): Map<string, { uom: string; partner: string }> {
    const named = new Map<string, { uom: string; partner: string }>();
    const name = (uom: string, partner: string): unknown => named.set(JSON.stringify([uom, partner]), { uom, partner });
    const packed = new Map<string, Set<string>>(); // by container, the units in which some was packed
    const opened: { container: string; partner: string }[] = [];
    const acting = new Set<string>(); // partners whose acts are among the records
    for (const e of this.events) {
      const k = e.skeleton;
      if (!k || !e.trails.some((t) => t.letter === "l" && t.id === id)) continue;
      if (k.act) acting.add(e.header.partner);
      for (const q of [...k.quantities, ...k.outputQuantities]) {
        if (q.epcClass !== id) continue;
        name(q.uom, e.header.partner);
        if (k.type === AGGREGATION && k.action === ADD && k.parentID !== "") packed.set(k.parentID, (packed.get(k.parentID) ?? new Set()).add(q.uom));
      }
      if (k.type === AGGREGATION && k.action === DELETE && k.epcs.length === 0 && k.quantities.length === 0) opened.push({ container: k.parentID, partner: e.header.partner });
      else if ((k.type === OBJECT && k.action === DELETE) || k.type === TRANSFORMATION) opened.push(...k.epcs.map((container) => ({ container, partner: e.header.partner })));
    }
    for (const uom of new Set([...named.values()].map((n) => n.uom))) for (const partner of acting) name(uom, partner);
    for (const { container, partner } of opened) for (const uom of packed.get(container) ?? []) name(uom, partner);
    return named;
  }

  private async checkBlocks(): Promise<void> {
    const heights = new Set(this.b.transactions.map((t) => t.height));
    let needed = this.b.anchor !== undefined;
    let last = 0n;
    for (const p of this.b.blocks) {
      const where = `time of block ${p.height}`;
      if (p.height <= last || !heights.has(p.height)) refuse(`${where}: no record is in it, or out of order`);
      last = p.height;
      const next = await nextHash(p);
      const proven = this.headers.get(p.height + 1n);
      if (proven) {
        if (!equal(proven, next) || p.index !== 0n || p.inclusion.length > 0) refuse(`${where}: it does not lead to the next header`);
      } else {
        needed = true;
        if (!(await included(this.anchors, p.index, await anchorEntry(p.height + 1n, next), p.inclusion))) refuse(`${where}: the next header is not in the accumulator`);
      }
      this.times.set(p.height, p.time);
    }
    if (this.b.times ? this.times.size < heights.size : this.times.size > 0) refuse("times: of all blocks with records or of none, as the scope says");
    if ((this.b.accumulator !== undefined) !== needed) refuse("header accumulator: its leaf is missing, or nothing needs it");
  }

  /** checkWitnessed works out which checkpoints the bundle's state is in. */
  private async checkWitnessed(): Promise<void> {
    const { b, state } = this;
    if (b.witnessed.length > 16) refuse("checkpoints: too many");
    let last = 0n;
    for (const p of b.witnessed) {
      const where = `checkpoint of size ${p.size}`;
      if (p.size <= last || p.index >= p.size) refuse(`${where}: out of order, or its entry is beyond its end`);
      last = p.size;
      p.cosignatures.forEach((c, i) => {
        if (i > 0 && compareText(p.cosignatures[i - 1]!.name, c.name) >= 0) refuse(`${where}: cosignatures out of order`);
      });
      let [h, hash] = [state, this.headers.get(state.height)!];
      if (p.header) {
        if (!p.validators) return refuse(`${where}: a header without its validators`);
        h = p.header;
        hash = await headerHash(b.chainID, h, p.validators);
        const proven = this.headers.get(h.height);
        if (h.height < 1n || h.height >= state.height || h.time >= state.time || !equal(h.app, state.app) || equal(h.next, p.validators)) refuse(`${where}: its header is none that carried the state before`);
        if ((proven && !equal(proven, hash)) || (h.height === this.trust.height && !equal(hash, this.trust.headerHash))) refuse(`${where}: another header of its height is trusted`);
      } else if (p.validators) {
        refuse(`${where}: validators without a header`);
      }
      const root = (await inclusionRoot(p.size, p.index, await anchorEntry(h.height, hash), p.inclusion)) ?? refuse(`${where}: no inclusion of its entry`);
      this.seen.push({ part: p, root, height: h.height });
    }
  }

  /** hear demands the words of witnesses. */
  private async hear(demand: Demand): Promise<void> {
    const keys = new Map(demand.witnesses.map((k) => [hex(k.public), k]));
    for (const k of keys.values()) {
      let first: object | undefined;
      let at = 0n;
      for (const { part, root, height } of this.seen) {
        for (const c of part.cosignatures) {
          if (c.name !== k.name || !(await ed25519(k.public, cosigned(this.b.chainID, part.size, root, c.time), c.signature)) || (first && at <= c.time)) continue;
          at = c.time;
          first = { name: k.name, key: k.text, time: timeText(c.time * 1000000000n), size: Number(part.size), root: hex(root), height: Number(height) };
        }
      }
      if (first) this.witnessed.push(first);
    }
    if (this.witnessed.length < demand.needed) refuse(`too few witnesses: ${this.witnessed.length} cosigned, ${demand.needed} are demanded`);
  }

  private async findVoided(): Promise<void> {
    const prior = new Map<string, EventState>();
    for (const e of this.events) {
      const s = e.skeleton;
      if (!s || s.eventID === "" || e.message.result.code !== 0 || e.message.result.effect === DUPLICATE) continue;
      const key = JSON.stringify([e.header.partner, s.eventID]);
      if (!s.declaration) {
        prior.set(key, e);
        continue;
      }
      const of = prior.get(key);
      if (of && e.message.result.effect === APPLIED && !of.voidedBy && equal(await contentHash(s), await contentHash(of.skeleton!))) of.voidedBy = e.at;
    }
  }

  private report(): Record<string, unknown> {
    const { b } = this;
    const steps = b.steps.filter((s) => s.header).map((s) => Number(s.header!.height));
    const partners = [...this.partners.values()].flatMap((p) => (p.leaf ? [p.leaf] : []));
    return {
      chain_id: b.chainID,
      height: Number(this.height),
      app_hash: hex(this.root),
      header_height: Number(this.state.height),
      header_hash: hex(this.headers.get(this.state.height)!),
      time: timeText(this.state.time),
      signed_height: Number(b.header.height),
      signed_hash: hex(this.headers.get(b.header.height)!),
      signed_time: timeText(b.header.time),
      signed: Number(this.signed.signed),
      power: Number(this.signed.total),
      ...(steps.length > 0 && { steps }),
      scope: { containers: b.containers, ancestors: b.ancestors, names: b.names, times: b.times, ...(b.units && { units: true }) },
      ...(this.complete && { complete: true }),
      subjects: this.subjects.map((s) => ({ ...subjectReport(s, this.state.time), ...(s.shipment && { shipment: this.shipmentReport(s, s.shipment) }) })),
      ...(partners.length > 0 && {
        partners: partners.map((p) => ({
          id: p.id, name: p.name, gln: p.gln, standing: STANDINGS[p.standing] ?? "",
          ...(p.nodeID && { node_id: p.nodeID }), ...(p.validator.length > 0 && { validator: base64(p.validator) }),
          ...(p.state > 0 && { state: STATES[p.state] }), ...(p.host && { host: p.host }), ...(p.sponsor && { sponsor: p.sponsor }),
          ...(p.lei && { lei: p.lei }), ...(p.registration && { registration: p.registration }), ...(p.threshold > 0 && { threshold: p.threshold }),
        })),
      }),
      events: this.events.map((e) => this.eventReport(e)),
      ...(this.witnessed.length > 0 && { witnessed: this.witnessed }),
      ...(this.rescues.length > 0 && { rescues: this.rescues.map((r) => rescueReport(r.rescue, r.crossed)) }),
    };
  }

  private shipmentReport(s: SubjectState, of: Shipment): object {
    const trail = this.events.filter((e) => e.trails.some((t) => t.letter === "s" && t.id === s.part.id));
    const shown = records(trail.map((e) => ({ at: e.at, partner: e.header.partner, reason: e.body && e.skeleton?.act ? String(JSON.parse(text(e.body)).reason ?? "") : "" })));
    const handovers = this.b.handovers.map((h, i) => handoverReport(i + 1, h.leaf.value, h.dispute.value, this.state.time, shown));
    return { ...of.report, ...(s.contents.length > 0 && { contents: s.contents }), handovers };
  }

  private eventReport(e: EventState): object {
    const { message: m, skeleton: s, header: h } = e;
    const at = this.times.get(e.at.height);
    const name = this.partners.get(h.partner)?.leaf?.name ?? "";
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
      ...(e.body && { body: JSON.parse(text(e.body)) }),
    };
  }
}

const locatorReport = (l: Locator): object => ({ height: Number(l.height), position: l.position, index: l.index });

const MAX_WAITING = 30n * 24n * 3600n * 1_000_000_000n; // in nanoseconds of block time, after which an offer has lapsed

function subjectReport(s: SubjectState, now: bigint): object {
  const offer = s.item?.offer;
  const trails = TRAILS_OF[s.part.kind].map((letter, i) => {
    const t = s.trails.find((e) => e.letter === letter);
    return { trail: TRAILS[letter], first: Number(t?.first ?? 0n), shown: t?.entries.length ?? 0, count: Number(s.heads[i]!.count) };
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

/** readEvent answers an event as far as the bundle has it, with its digest. */
async function readEvent(m: Message, h: TransactionHeader): Promise<{ skeleton: Skeleton | undefined; body: Bytes | undefined; digest: Bytes }> {
  if (m.form === "withheld") return { skeleton: undefined, body: undefined, digest: m.digest! };
  let skeleton: Skeleton;
  let body: Bytes | undefined;
  let root: Bytes;
  if (m.form === "skeleton") {
    skeleton = decodeSkeleton(m.skeleton!);
    if ((skeleton.act ? ACT_KIND : skeleton.order ? 2 : 1) !== m.kind) refuse("a skeleton of another kind of message");
    root = m.bodyRoot!;
  } else {
    ({ skeleton, body } = eventOf(m.kind, m.members, m.skeleton));
    root = await bodyRoot(m);
  }
  const skeletonHash = await sum("waybill/skeleton", encodeSkeleton(skeleton));
  const digest = await sum("waybill/message", utf8(h.chainID), utf8(h.partner), be32(m.kind), skeletonHash, root, m.duplicateKey, Uint8Array.of(0));
  return { skeleton, body, digest };
}

async function bodyRoot(m: Message): Promise<Bytes> {
  const names = m.members.map((e) => utf8(e.name));
  let salts = m.salts;
  if (m.form === "whole") {
    const mac = await macs(m.secret!);
    salts = await Promise.all(names.map(mac));
  }
  if (salts.length !== m.members.length) refuse("salts and members are not as many");
  const shown = await Promise.all(m.members.map((e, i) => sum("waybill/member", salts[i]!, names[i]!, e.value)));
  const total = shown.length + m.withheld.length;
  const leaves = new Map<number, Bytes>();
  let last = -1;
  for (const w of m.withheld) {
    if (w.place <= last || w.place >= total) refuse("withheld members out of order, or beyond all places");
    last = w.place;
    leaves.set(w.place, w.leaf);
  }
  const all: Bytes[] = [];
  for (let place = 0, i = 0; place < total; place++) all.push(leaves.get(place) ?? shown[i++]!);
  return sum("waybill/body", be32(total), await merkleRoot(all));
}

function base64(b: Bytes): string {
  let s = "";
  for (const v of b) s += String.fromCharCode(v);
  return btoa(s);
}

