// Which headers of the chain are believed, how its time runs, and who else saw it: what a
// bundle says beside the ledger's own leaves and records.

import type { Bundle, WitnessedPart } from "./bundle.js";
import { type Bytes, compareText, equal, hex, refuse } from "./bytes.js";
import { timeText } from "./form.js";
import { type Head, ed25519, included, inclusionRoot, member } from "./hash.js";
import { anchorEntry, checkCommit, checkSkip, headerHash, nextHash, setHash } from "./headers.js";
import { whole } from "./json.js";
import { accumulatorKey, decodeHead, noHead } from "./ledger.js";
import { type Rescue, accepts, rescueKey, rescueOf } from "./rescue.js";
import type { Trust } from "./trust.js";
import { type Demand, type WitnessKey, cosigned } from "./witness.js";

/** Chain leads from a root of trust to the state of which a bundle tells. */
export class Chain {
  readonly headers = new Map<bigint, Bytes>(); // hashes of those that are believed, by height
  readonly times = new Map<bigint, bigint>(); // of blocks, by height
  readonly witnessed: object[] = [];
  readonly rescues: { rescue: Rescue; crossed: boolean }[] = [];
  root!: Bytes; // of the state
  signed = { signed: 0n, total: 0n };
  private anchors: Head = noHead;
  private next!: Bytes;
  private known: Bundle["validators"] | undefined;
  private bare = false;
  private readonly seen: { part: WitnessedPart; root: Bytes; height: bigint }[] = [];
  private ahead: Rescue[] = []; // not met on the way yet

  constructor(private readonly b: Bundle, private readonly trust: Trust, private readonly accepted: readonly Bytes[]) {}

  /** state is the header that carries the state. */
  get state(): Bundle["header"] {
    return this.b.anchor?.header ?? this.b.header;
  }

  /** height is that of the last block that the state knows. */
  get height(): bigint {
    return this.state.height - 1n;
  }

  /** follow believes what the root of trust leads to, up to the state. */
  async follow(): Promise<void> {
    await this.readRescues();
    await this.checkHeaders();
    await this.checkRescues();
    await this.checkAccumulator();
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
      await this.believe(step.header, step.commit!, step.validators);
    }
    if (b.header.height <= last) refuse("header: its height does not ascend");
    this.signed = await this.believe(b.header, b.commit, b.validators);
    if (this.bare) refuse("step 0: nothing needs the trusted set");
  }

  /** believe checks one signed header: that a trusted set signed it. */
  private async believe(h: Bundle["header"], c: Bundle["commit"], set: Bundle["validators"]): Promise<{ signed: bigint; total: bigint }> {
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

  /** checkBlocks proves the times of blocks with records, by the headers behind them. */
  async checkBlocks(): Promise<void> {
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
  async checkWitnessed(): Promise<void> {
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
  async hear(demand: Demand): Promise<void> {
    const keys = new Map<string, WitnessKey>(); // one that is given twice counts once, under its first name
    for (const k of demand.witnesses) if (!keys.has(hex(k.public))) keys.set(hex(k.public), k);
    for (const k of keys.values()) {
      let first: object | undefined;
      let at = 0n;
      for (const { part, root, height } of this.seen) {
        for (const c of part.cosignatures) {
          if (c.name !== k.name || !(await ed25519(k.public, cosigned(this.b.chainID, part.size, root, c.time), c.signature)) || (first && at <= c.time)) continue;
          at = c.time;
          first = { name: k.name, key: k.text, time: timeText(c.time * 1000000000n), size: whole(part.size), root: hex(root), height: whole(height) };
        }
      }
      if (first) this.witnessed.push(first);
    }
    if (this.witnessed.length < demand.needed) refuse(`too few witnesses: ${this.witnessed.length} cosigned, ${demand.needed} are demanded`);
  }
}
