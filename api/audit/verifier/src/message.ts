// A message as far as a bundle has it: whole, its skeleton, chosen members, or nothing.

import { ACT_KIND, type Message } from "./bundle.js";
import { type Bytes, be32, refuse, utf8 } from "./bytes.js";
import { type Skeleton, decodeSkeleton, encodeSkeleton, eventOf } from "./event.js";
import { macs, merkleRoot, sum } from "./hash.js";
import type { TransactionHeader } from "./ledger.js";

/** readEvent answers an event as far as the bundle has it, with its digest. */
export async function readEvent(m: Message, h: TransactionHeader): Promise<{ skeleton: Skeleton | undefined; body: Bytes | undefined; digest: Bytes }> {
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
