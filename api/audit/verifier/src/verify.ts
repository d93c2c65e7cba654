// The checks of a bundle, in their order (docs/format-bundle.md, "What is checked").

import { ACT_KIND, type Bundle, type Leaf, type Message, type Transaction, CLASS, ITEM, PARTNER, SHIPMENT, UNKNOWN, decode } from "./bundle.js";
import { type Bytes, Refused, be32, compareText, equal, refuse, text, unhex, utf8 } from "./bytes.js";
import { Chain } from "./chain.js";
import { type MainTrail, type Thing, search, thingKey } from "./closure.js";
import { ACTS, ANY_ACT } from "./codes.js";
import { ADD, AGGREGATION, DELETE, OBJECT, type Skeleton, TRANSFORMATION, authorMembers, contentHash } from "./event.js";
import { absent, ed25519, included, member, rangeRoot, sum } from "./hash.js";
import { type Scheme, canonical } from "./identifier.js";
import {
  APPLIED, DUPLICATE, type Item, type Key, type Locator, type TransactionHeader, balanceKey, classKey, compareLocators, decodeBalance, decodeHead, decodeHeader,
  decodeItem, decodeKey, decodePartner, decodeRelease, entry, isPartnerID, itemKey, keyKey, noHead, partnerKey, registerKey, releaseKey, transactionID,
} from "./ledger.js";
import { readEvent } from "./message.js";
import { decodeShipment, decodeUnits, disputeKey, handoverKey, shipmentKey, unitsKey } from "./shipment.js";
import { KINDS, TRAILS, TRAILS_OF, type EventState, type PartnerState, type SubjectState, statement } from "./statement.js";
import type { Trust } from "./trust.js";
import type { Demand } from "./witness.js";

const EXTERNAL = "external:";

/**
 * verify checks a bundle against a root of trust, and answers its statement as plain data. Across a rescue the bundle
 * holds only if the rescue's id is among the accepted ones.
 */
export async function verify(bundle: Uint8Array, trust: Trust, demand: Demand = { witnesses: [], needed: 0 }, accepted: readonly Bytes[] = []): Promise<Record<string, unknown>> {
  return new Verification(decode(bundle as Bytes), trust, accepted).run(demand);
}

class Verification {
  private readonly chain: Chain;
  private readonly subjects: SubjectState[] = [];
  private readonly places = new Map<string, SubjectState>();
  private readonly partners = new Map<string, PartnerState>();
  private readonly events: EventState[] = [];
  private complete = false;

  constructor(private readonly b: Bundle, trust: Trust, accepted: readonly Bytes[]) {
    this.chain = new Chain(b, trust, accepted);
  }

  async run(demand: Demand): Promise<Record<string, unknown>> {
    const { b, chain, subjects, partners, events } = this;
    await chain.follow();
    await this.checkSubjects();
    await this.checkShipment();
    await this.checkCustodians();
    await this.checkPartners();
    await this.checkTransactions();
    await this.checkTrails();
    this.checkNeeds();
    await this.checkBalances();
    await chain.checkBlocks();
    await chain.checkWitnessed();
    await this.findVoided();
    await chain.hear(demand);
    return statement({ b, chain, subjects, partners, events, complete: this.complete });
  }

  private leaf(key: Bytes, l: Leaf, where: string): Promise<void> {
    return member(this.chain.root, key, l.value, l.path, where);
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
    if (kind === PARTNER) {
      // What is absent has no leaf that vouches for its name: free text could say anything.
      if (!isPartnerID(id)) refuse(`${where}: no partner can have this identifier`);
    } else {
      const c = canonical(id);
      if (c.id !== id) refuse(`${where}: it is not in canonical form`);
      scheme = c.scheme;
      if (!named && (kind === UNKNOWN) !== (value === undefined)) refuse(`${where}: its value is missing, or there is one of what is unknown`);
    }
    const ambiguous = scheme === "private" || scheme === "gs1";
    switch (kind) {
      case ITEM:
        await member(this.chain.root, itemKey(id), value!, path, where);
        s.item = decodeItem(value!);
        s.heads = [s.item.custody, s.item.observations];
        break;
      case CLASS:
        await member(this.chain.root, classKey(id), value!, path, where);
        s.heads = [decodeHead(value!)];
        break;
      case UNKNOWN:
        if (!s.asked || other === undefined) return refuse(`${where}: nobody asked for it, or a path is missing`);
        await absent(this.chain.root, itemKey(id), path, where);
        return absent(this.chain.root, classKey(id), other, where);
      case SHIPMENT:
        if (!s.asked || other !== undefined) refuse(`${where}: nobody asked for it, or it has a path too many`);
        s.heads = [noHead];
        if (value === undefined) return absent(this.chain.root, shipmentKey(id), path, where);
        await member(this.chain.root, shipmentKey(id), value, path, where);
        s.shipment = decodeShipment(value);
        s.heads = [s.shipment.trail];
        return;
      case PARTNER:
        if (!s.asked || other !== undefined) refuse(`${where}: nobody asked for it, or it has a path too many`);
        if (value === undefined) {
          await absent(this.chain.root, registerKey(id), path, where);
          s.heads = [noHead];
          return;
        }
        await member(this.chain.root, registerKey(id), value, path, where);
        s.heads = [decodeHead(value, true)];
        return;
    }
    s.alone = !ambiguous || other !== undefined;
    if (other === undefined) return;
    if (!s.asked || !ambiguous || both) refuse(`${where}: it has a path too many`);
    await absent(this.chain.root, kind === ITEM ? classKey(id) : itemKey(id), other, where);
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
      if (h.dispute.value.length === 0) await absent(this.chain.root, key, h.dispute.path, `${where}: no dispute`);
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
      if (t.height > this.chain.height) refuse(`${where}: later than the state`);
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
      let deepest = 0;
      for (const n of needs.values()) if (n.follows && n.depth > deepest) deepest = n.depth;
      if (this.b.ancestors !== deepest + 1) refuse("scope: another number of transformations upstream than lead to the farthest ancestor, and nothing is left out");
      this.complete = needs.size > 0; // nobody made a partner from anything
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
          await absent(this.chain.root, key, leaf.path, where);
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
}
