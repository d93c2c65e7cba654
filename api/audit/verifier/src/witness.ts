// Witnesses and their cosignatures (docs/witness.md, "Checkpoints").

import { type Bytes, compareBytes, concat, hex, refuse, utf8 } from "./bytes.js";
import { sha256 } from "./hash.js";

export interface WitnessKey {
  readonly name: string;
  readonly public: Bytes;
  readonly text: string;
}

/** Demand is whose words are demanded of a bundle, and of how many. */
export interface Demand {
  readonly witnesses: readonly WitnessKey[];
  readonly needed: number;
}

/** witnessName checks the name of a witness. */
export function witnessName(name: string): string {
  // Whitespace as Unicode has it, controls, and the plus sign that ends a name in a key.
  if (name === "" || utf8(name).length > 128 || /[+\p{White_Space}\p{Cc}]/u.test(name)) refuse("a witness without a name that can be one");
  return name;
}

/** parseWitnessKey reads a verifier key: NAME+ID+KEY. */
export async function parseWitnessKey(text: string): Promise<WitnessKey> {
  const m = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(text);
  if (!m) return refuse("a witness's key is NAME+ID+KEY");
  const raw = Uint8Array.from(atob(m[3]!), (c) => c.charCodeAt(0));
  const name = witnessName(m[1]!);
  const id = (await sha256(concat(utf8(name + "\n"), raw))).subarray(0, 4);
  if (raw.length !== 33 || raw[0] !== 4 || hex(id) !== m[2] || compareBytes(utf8(btoa(String.fromCharCode(...raw))), utf8(m[3]!)) !== 0) refuse("a witness's key whose id is not that of its name and key");
  return { name, public: raw.subarray(1), text };
}

/** origin is the first line of a ledger's checkpoints. */
export function origin(chain: string): string {
  let out = "";
  for (const b of utf8(chain)) {
    const c = String.fromCharCode(b);
    out += /[A-Za-z0-9\-_.~$&+:=@]/.test(c) ? c : "%" + b.toString(16).toUpperCase().padStart(2, "0");
  }
  return "github.com/waybill-ledger/waybill/" + out;
}

/** cosigned is what a witness signs of a checkpoint. */
export function cosigned(chain: string, size: bigint, root: Bytes, time: bigint): Bytes {
  return utf8(`cosignature/v1\ntime ${time}\n${origin(chain)}\n${size}\n${btoa(String.fromCharCode(...root))}\n`);
}
