// Rescues: how those who were left restarted a network that lost its quorum
// (docs/format-bundle.md, "Rescue").

import type { Validator } from "./bundle.js";
import { type Bytes, MAX_COUNT, Writer, empty, equal, fields, fixed, hex, isZero, number, refuse, text, uint, utf8 } from "./bytes.js";
import { ed25519, sum } from "./hash.js";
import { totalPower } from "./headers.js";
import { whole } from "./json.js";
import { isPartnerID } from "./ledger.js";

const LOST = 1n;
const STAYS = 2n;
const ASIDE = 3n;
const MAX_DOCUMENT = 512 << 10;
const MAX_REASON = 1000;
interface Rescued extends Validator {
  readonly partner: string;
  readonly fate: bigint;
  readonly signing: Bytes;
}

export interface Rescue {
  readonly id: Bytes;
  readonly chainID: string;
  readonly epoch: bigint;
  readonly height: bigint;
  readonly header: Bytes;
  readonly reason: string;
  readonly before: readonly Rescued[];
  readonly after: readonly Rescued[];
}

/** rescueOf reads a whole document and checks it by itself. */
export async function rescueOf(document: Bytes): Promise<Rescue> {
  if (document.length > MAX_DOCUMENT) refuse("rescue: the document is too long");
  let statement: Bytes = empty;
  const signatures: Bytes[] = [];
  const again = new Writer();
  for (const { n, v } of fields(document)) {
    if (n === 1) statement = v;
    else if (n === 2) signatures.push(fixed(v, 130));
    else refuse(`rescue: field ${n} is unknown`);
  }
  again.field(1, statement);
  for (const s of signatures) again.always(2, s);
  if (!equal(again.bytes(), document)) refuse("rescue: the document is not in its one encoding");
  const r = { ...read(statement), id: await sum("waybill/rescue", statement) };
  check(r);
  if (signatures.length !== r.after.length) refuse("rescue: not all who stay signed it, or others did");
  for (const [i, v] of r.after.entries()) {
    const s = signatures[i]!;
    if (number(s.subarray(0, 2)) !== BigInt(i)) refuse("rescue: signatures out of order");
    if (!(await ed25519(v.key, r.id, s.subarray(2, 66))) || !(await ed25519(v.signing, r.id, s.subarray(66)))) refuse(`rescue: the signatures of ${v.partner} do not hold`);
  }
  return r;
}

function read(statement: Bytes): Omit<Rescue, "id"> {
  let version = 0n;
  let chainID = "";
  let epoch = 0n;
  let height = 0n;
  let header: Bytes = empty;
  let app: Bytes = empty;
  let reason = "";
  const before: Rescued[] = [];
  const again = new Writer();
  for (const { n, v } of fields(statement)) {
    switch (n) {
      case 1: version = uint(v, MAX_COUNT); break;
      case 2: chainID = text(v); break;
      case 3: epoch = uint(v, MAX_COUNT); break;
      case 4: height = uint(v, MAX_COUNT); break;
      case 5: header = fixed(v, 32); break;
      case 6: app = fixed(v, 32); break;
      case 7: before.push(validatorOf(v)); break;
      case 8: reason = text(v); break;
      default: refuse(`rescue: field ${n} of the statement is unknown`);
    }
  }
  again.uint(1, version).text(2, chainID).uint(3, epoch).uint(4, height).field(5, header).field(6, app);
  for (const v of before) again.field(7, encoded(v));
  again.text(8, reason);
  if (!equal(again.bytes(), statement)) refuse("rescue: the statement is not in its one encoding");
  if (version !== 1n || chainID === "" || epoch === 0n || height === 0n || isZero(header) || isZero(app)) refuse("rescue: of another version, or something is missing");
  return { chainID, epoch, height, header, reason, before, after: before.filter((v) => v.fate === STAYS) };
}

function validatorOf(part: Bytes): Rescued {
  const out = { partner: "", key: empty as Bytes, power: 0n, fate: 0n, signing: empty as Bytes };
  for (const { n, v } of fields(part)) {
    switch (n) {
      case 1: out.partner = text(v); break;
      case 2: out.key = fixed(v, 32); break;
      case 3: out.power = uint(v, MAX_COUNT); break;
      case 4: out.fate = uint(v); break;
      case 5: out.signing = fixed(v, 32); break;
      default: refuse("rescue: a validator with an unknown field");
    }
  }
  if (!equal(encoded(out), part)) refuse("rescue: a validator that is not in its one encoding");
  return out;
}

const encoded = (v: Rescued): Bytes => new Writer().text(1, v.partner).field(2, v.key).uint(3, v.power).uint(4, v.fate).field(5, v.signing).bytes();

/** check judges a statement by itself: that quorum is lost, and that enough of those who are not lost stay. */
function check(r: Rescue): void {
  if (r.reason === "" || utf8(r.reason).length > MAX_REASON || /\p{Cc}/u.test(r.reason)) refuse("rescue: no reason of one line");
  const total = totalPower(r.before);
  const seen = new Set<string>();
  for (const v of r.before) {
    const key = hex(v.key);
    if (v.key.length !== 32 || !isPartnerID(v.partner) || seen.has(v.partner) || seen.has(key)) refuse(`rescue: ${v.partner} is no partner, without key, or there twice`);
    seen.add(v.partner).add(key);
    if (v.fate < LOST || v.fate > ASIDE || (v.fate === STAYS) !== (v.signing.length === 32)) refuse(`rescue: ${v.partner} is neither lost, nor stays with a key of its own, nor is left aside`);
  }
  const lost = power(r.before, LOST);
  const stay = power(r.before, STAYS);
  if (lost === 0n || 3n * stay > 2n * total || 2n * stay <= total - lost) refuse("rescue: nobody is lost, the quorum is not, or too few of those who are left agree");
}

const power = (set: readonly Rescued[], fate: bigint): bigint => set.reduce((sum, v) => (v.fate === fate ? sum + v.power : sum), 0n);
const partners = (set: readonly Rescued[], fate: bigint): string[] => set.filter((v) => v.fate === fate).map((v) => v.partner);

/** rescueKey is where the state has the document of an epoch. */
export const rescueKey = (epoch: bigint): Bytes => {
  const at = new Uint8Array(9);
  at[0] = 0x5a; // Z
  new DataView(at.buffer).setBigUint64(1, epoch);
  return at;
};

/** accepts reports whether a rescue is among those that somebody accepts. */
export const accepts = (accepted: readonly Bytes[], r: Rescue): boolean => accepted.some((id) => equal(id, r.id));

export function rescueReport(r: Rescue, crossed: boolean): object {
  const aside = partners(r.before, ASIDE);
  return {
    id: hex(r.id),
    epoch: whole(r.epoch),
    height: whole(r.height),
    reason: r.reason,
    lost: partners(r.before, LOST),
    agreed: partners(r.before, STAYS),
    ...(aside.length > 0 && { aside }),
    stayed: whole(power(r.before, STAYS)),
    power: whole(totalPower(r.before)),
    crossed,
  };
}
