// What belongs to what was asked for (docs/format-bundle.md, "What belongs to what
// was asked for"): containers and ancestors, worked out from the records.

import { CLASS, ITEM, type SubjectKind } from "./bundle.js";
import { refuse } from "./bytes.js";
import { ADD, AGGREGATION, DELETE, OBJECT, type Skeleton, TRANSFORMATION } from "./event.js";
import { canonical, isClass } from "./identifier.js";
import { APPLIED, type Locator, type Result, compareLocators } from "./ledger.js";

/** Placed is a record as far as this needs it; of a withheld one the skeleton is missing. */
export interface Placed {
  readonly at: Locator;
  readonly result: Result;
  readonly skeleton: Skeleton | undefined;
}

export interface Interval {
  readonly from: Locator;
  readonly to: Locator;
}

const FIRST: Locator = { height: 0n, position: 0, index: 0 };
const LAST: Locator = { height: (1n << 63n) - 1n, position: 2 ** 32 - 1, index: 2 ** 32 - 1 };

const earlier = (a: Locator, b: Locator): Locator => (compareLocators(a, b) <= 0 ? a : b);
const later = (a: Locator, b: Locator): Locator => (compareLocators(a, b) >= 0 ? a : b);

const MAX_LOOKS = 20_000_000;

const [NOT_CONTAINED, CONFLICT, CYCLE, TOO_DEEP] = [414, 411, 412, 413];

const applied = (r: Placed): Skeleton | undefined => (r.result.effect === APPLIED ? r.skeleton : undefined);

/** enters answers what the record puts the thing into. */
export function enters(r: Placed, id: string): string | undefined {
  const s = applied(r);
  if (!s || s.type !== AGGREGATION || s.action !== ADD || !s.epcs.includes(id)) return undefined;
  try {
    const { scheme } = canonical(s.parentID);
    return scheme === "sgln" || scheme === "pgln" || isClass(scheme) ? undefined : s.parentID;
  } catch {
    return undefined;
  }
}

export const certain = (r: Placed): boolean => ![CONFLICT, CYCLE, TOO_DEEP].some((f) => r.result.flags.includes(f));

function ends(r: Placed, id: string): boolean {
  const s = applied(r);
  return !!s && s.epcs.includes(id) && ((s.type === OBJECT && s.action === DELETE) || s.type === TRANSFORMATION);
}

function takesOut(r: Placed, id: string, parent: string): boolean {
  if (ends(r, id)) return true;
  const into = enters(r, id);
  if (into !== undefined) return into !== parent && certain(r);
  const s = applied(r);
  return !!s && s.type === AGGREGATION && s.action === DELETE && s.parentID === parent && s.epcs.includes(id) && !r.result.flags.includes(NOT_CONTAINED);
}

function empties(r: Placed, id: string): boolean {
  if (ends(r, id)) return true;
  const s = applied(r);
  return !!s && s.type === AGGREGATION && s.action === DELETE && s.parentID === id && s.epcs.length === 0 && s.quantities.length === 0;
}

interface Stay {
  readonly parent: string;
  readonly from: Locator;
  to: Locator;
}

function staysOf(id: string, records: readonly Placed[], look: (r: Placed) => void): Stay[] {
  const stays: Stay[] = [];
  let open: Stay[] = [];
  for (const r of records) {
    open = open.filter((s) => {
      look(r);
      const out = takesOut(r, id, s.parent);
      if (out) s.to = r.at;
      return !out;
    });
    const parent = enters(r, id);
    if (parent === undefined || open.some((s) => s.parent === parent)) continue;
    const stay = { parent, from: r.at, to: LAST };
    open.push(stay);
    stays.push(stay);
  }
  return stays;
}

/** firstFrom finds the first record that is not before a place. */
function firstFrom(records: readonly Placed[], at: Locator): number {
  let [lo, hi] = [0, records.length];
  while (lo < hi) {
    const middle = (lo + hi) >> 1;
    if (compareLocators(records[middle]!.at, at) < 0) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}

export interface Thing {
  readonly kind: SubjectKind;
  readonly id: string;
}

export const thingKey = (t: Thing): string => `${t.kind} ${t.id}`;

/** Trail is the main trail of a subject, as far as the bundle has it. */
export interface MainTrail {
  readonly first: bigint;
  readonly count: bigint;
  readonly records: readonly Placed[]; // none where no trail is listed
}

export interface Need {
  over?: Interval;
  fromStart: boolean;
  depth: number;
  follows: boolean;
  waits: boolean;
}

/** search finds all that belongs to what was asked for, and refuses where it is not there. */
export function search(asked: readonly Thing[], containers: boolean, ancestors: number, trailOf: (t: Thing) => MainTrail | undefined): { needs: Map<string, Need>; cut: boolean } {
  const needs = new Map<string, Need>();
  const queue: Thing[] = [];
  let cut = false; // something was made from what is not there
  let looks = 0;
  /** look counts the records looked at: what partners record may be entangled without end. */
  const look = (r: Placed): void => {
    looks += 1 + ((r.skeleton?.epcs.length ?? 0) + (r.skeleton?.outputEPCs.length ?? 0)) / 16;
    if (looks > MAX_LOOKS) refuse(`containers and ancestors take more than ${MAX_LOOKS} looks at records`);
  };
  const want = (t: Thing, over: Interval | undefined, fromStart: boolean, follows: boolean, depth: number): void => {
    let n = needs.get(thingKey(t));
    if (!n) needs.set(thingKey(t), (n = { fromStart: false, depth, follows: false, waits: false }));
    n.fromStart ||= fromStart;
    let grown = false;
    if (over) {
      const w = n.over ? { from: earlier(over.from, n.over.from), to: later(over.to, n.over.to) } : over;
      if (!n.over || compareLocators(w.from, n.over.from) !== 0 || compareLocators(w.to, n.over.to) !== 0) {
        n.over = w;
        grown = true;
      }
    }
    if (follows && (!n.follows || depth < n.depth)) {
      n.follows = true;
      n.depth = depth;
      grown = true;
    }
    if (grown && !n.waits) {
      n.waits = true;
      queue.push(t);
    }
  };
  for (const t of asked) {
    if (t.kind !== ITEM && t.kind !== CLASS) continue;
    needs.set(thingKey(t), { over: { from: FIRST, to: LAST }, fromStart: true, depth: 0, follows: true, waits: true });
    queue.push(t);
  }

  /** cover makes sure that records are there, and answers where they end. */
  const cover = (t: Thing, w: Interval, stops: (r: Placed) => boolean): Locator => {
    const trail = trailOf(t) ?? refuse(`${t.id}: its records are missing`);
    if (trail.records.length === 0) return trail.count > 0n ? refuse(`${t.id}: its records are missing`) : w.to;
    if (trail.first > 0n && compareLocators(trail.records[0]!.at, w.from) > 0) refuse(`${t.id}: its earlier records are missing`);
    for (let i = firstFrom(trail.records, w.from); i < trail.records.length; i++) {
      const r = trail.records[i]!;
      if (compareLocators(r.at, w.to) > 0) return w.to;
      look(r);
      if (stops(r)) return r.at;
      if (compareLocators(r.at, w.to) === 0) return w.to;
    }
    if (trail.first + BigInt(trail.records.length) < trail.count) refuse(`${t.id}: its later records are missing`);
    return w.to;
  };

  const followContainers = (t: Thing, over: Interval): void => {
    const trail = trailOf(t) ?? refuse(`${t.id}: it is missing`);
    const first = trail.records[0];
    if (first && trail.first > 0n && (enters(first, t.id) === undefined || !certain(first) || compareLocators(first.at, over.from) > 0)) {
      refuse(`${t.id}: what it was in at the first of its records is not told`);
    }
    for (const stay of staysOf(t.id, trail.records, look)) {
      if (compareLocators(stay.to, over.from) < 0 || compareLocators(stay.from, over.to) > 0) continue;
      const parent: Thing = { kind: ITEM, id: stay.parent };
      const end = cover(parent, { from: stay.from, to: earlier(stay.to, over.to) }, (r) => compareLocators(r.at, stay.from) > 0 && empties(r, parent.id));
      want(parent, compareLocators(end, over.from) < 0 ? undefined : { from: later(stay.from, over.from), to: end }, false, false, 0);
    }
  };

  const followAncestors = (t: Thing, n: Need): void => {
    for (const r of trailOf(t)?.records ?? []) {
      look(r);
      const s = applied(r);
      if (!s || s.type !== TRANSFORMATION || compareLocators(r.at, n.over!.to) > 0) continue;
      if (t.kind === ITEM ? !s.outputEPCs.includes(t.id) : !s.outputQuantities.some((q) => q.epcClass === t.id)) continue;
      const inputs: Thing[] = [...s.epcs.map((id): Thing => ({ kind: ITEM, id })), ...s.quantities.map((q): Thing => ({ kind: CLASS, id: q.epcClass }))];
      for (const input of inputs) {
        if (thingKey(input) === thingKey(t)) continue;
        if (n.depth >= ancestors) {
          const there = needs.get(thingKey(input));
          cut ||= !there?.follows || compareLocators(there.over!.to, r.at) < 0;
          continue;
        }
        const w = { from: FIRST, to: r.at };
        cover(input, w, () => false);
        want(input, w, true, true, n.depth + 1);
      }
    }
  };

  for (let t = queue.shift(); t; t = queue.shift()) {
    const n = needs.get(thingKey(t))!;
    n.waits = false;
    if (containers && t.kind === ITEM && n.over) followContainers(t, n.over);
    if (n.follows && n.depth < ancestors) followAncestors(t, n);
  }
  // Whether any of the farthest was made from something else.
  for (const [key, n] of needs) {
    if (!n.follows || ancestors === 0 || n.depth !== ancestors) continue;
    const [kind, ...id] = key.split(" ");
    followAncestors({ kind: Number(kind) as SubjectKind, id: id.join(" ") }, n);
  }
  return { needs, cut };
}
