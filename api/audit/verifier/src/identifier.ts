// Identifiers and their canonical form (docs/format.md, "Identifiers"). Values are
// handled as strings of which each character is a byte or, beyond ASCII, whatever it is:
// what is percent-decoded into bytes beyond ASCII is in no serial number.

import { refuse, utf8 } from "./bytes.js";

export type Scheme =
  | "private" | "sgtin" | "sscc" | "sgln" | "pgln" | "grai" | "giai" | "gtin" | "lgtin" | "gs1" | "graiclass" | "gsrn" | "gsrnp" | "gdti" | "gdticlass"
  | "cpi" | "cpiclass" | "gcn" | "gcnclass" | "ginc" | "gsin" | "itip" | "itipclass" | "itiplot" | "upui" | "gmn" | "payto";

export interface Identifier {
  readonly id: string;
  readonly scheme: Scheme;
}

const CLASSES: ReadonlySet<Scheme> = new Set(["gtin", "lgtin", "graiclass", "gdticlass", "cpiclass", "gcnclass", "itipclass", "itiplot"] as const);

/** isClass reports whether a scheme names a class or lot. */
export const isClass = (s: Scheme): boolean => CLASSES.has(s);

const STEM = "https://id.gs1.org/";

class Flaw extends Error {}
const bad = (why: string): never => {
  throw new Flaw(why);
};

/** canonical answers the one form that stands for all forms of an identifier. */
export function canonical(s: string): Identifier {
  try {
    return read(s);
  } catch (e) {
    if (e instanceof Flaw) return refuse(`identifier ${JSON.stringify(s.slice(0, 100))}: ${e.message}`);
    throw e;
  }
}

function read(s: string): Identifier {
  if (!isURI(s)) bad("no URI");
  if (/^urn:epc:/i.test(s)) return readURN(s.slice("urn:epc:".length));
  const web = /^(https?|HTTPS?):\/\//.exec(s);
  if (web) return readLink(s, s.slice(web[0].length));
  return { id: s, scheme: "private" };
}

/** isURI reports whether a text has the form of a URI with a scheme, without whitespace and controls. */
export function isURI(s: string): boolean {
  if (utf8(s).length > 1024 || !/^[A-Za-z][A-Za-z0-9+.-]*:./su.test(s)) return false;
  for (const c of s) {
    const r = c.codePointAt(0)!;
    if (
      r <= 0x20 || (r >= 0x7f && r <= 0xa0) || r === 0xad || r === 0x61c || r === 0x1680 || r === 0x180e ||
      (r >= 0x2000 && r <= 0x200f) || (r >= 0x2028 && r <= 0x202f) || (r >= 0x205f && r <= 0x206f) ||
      r === 0x3000 || r === 0xfeff || (r >= 0xfff0 && r <= 0xffff)
    ) {
      return false;
    }
  }
  return true;
}

const digits = (s: string): boolean => /^[0-9]*$/.test(s);

function checkDigit(s: string): string {
  let total = 0;
  for (let i = 0; i < s.length; i++) total += Number(s[s.length - 1 - i]) * (i % 2 === 0 ? 3 : 1);
  return String((10 - (total % 10)) % 10);
}

/** cut splits at the first separator. */
function cut(s: string, separator: string): [string, string, boolean] {
  const at = s.indexOf(separator);
  return at < 0 ? [s, "", false] : [s.slice(0, at), s.slice(at + separator.length), true];
}

/** unescape resolves percent escapes; a percent sign that opens none stands for itself. */
function unescape(s: string): string {
  return s.replace(/%([0-9a-fA-F]{2})/g, (_, h: string) => String.fromCharCode(parseInt(h, 16)));
}

type Alphabet = "text" | "part" | "digits";

const ALPHABETS: Readonly<Record<Alphabet, RegExp>> = {
  text: /^[A-Za-z0-9!"%&'()*+,\-./:;<=>?_]*$/,
  part: /^[A-Z0-9#\-/]*$/,
  digits: /^[0-9]*$/,
};

/** serial is a value of one of GS1's character sets, percent-encoded. */
function serial(value: string, most: number, set: Alphabet = "text"): string {
  if (value.length < 1 || value.length > most || !ALPHABETS[set].test(value)) bad("a serial, lot or extension that is none");
  return value.replace(/[^A-Za-z0-9\-._~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"));
}

// Keys, as a table: what follows a key's digits, the last of which is a check digit, and
// its qualifiers in their order. A qualifier without a scheme is no part of the name.

interface Qualifier {
  readonly ai: string;
  readonly name?: string;
  readonly least?: number;
  readonly most: number;
  readonly set?: Alphabet;
  readonly scheme?: Scheme;
  readonly apart?: boolean; // none may come before it
  readonly plain?: boolean; // without zeros in front
}

interface Key {
  readonly ai: string;
  readonly name: string;
  readonly digits: number; // 0: the key is all text
  readonly lead?: boolean; // the first digit comes before the company prefix
  readonly zero?: boolean; // the first digit is a zero that URNs leave out
  readonly pieces?: number; // digits behind the check digit
  readonly tail?: Alphabet;
  readonly most?: number;
  readonly alone?: Scheme;
  readonly tailed?: Scheme;
  readonly qualifiers?: readonly Qualifier[];
}

const CPV: Qualifier = { ai: "22", name: "cpv", most: 20 };
const SRIN: Qualifier = { ai: "8019", name: "srin", most: 10, set: "digits" };
const UIC: Qualifier = { ai: "7040", least: 4, most: 4, apart: true };

const KEYS: readonly Key[] = [
  { ai: "00", name: "sscc", digits: 18, lead: true, alone: "sscc" },
  {
    ai: "01", name: "gtin", digits: 14, lead: true, alone: "gtin",
    qualifiers: [
      CPV, { ai: "10", name: "lot", most: 20, scheme: "lgtin" }, { ai: "21", name: "ser", most: 20, scheme: "sgtin" },
      { ai: "235", most: 28, scheme: "upui", apart: true },
    ],
  },
  { ai: "253", name: "gdti", digits: 13, most: 17, alone: "gdticlass", tailed: "gdti" },
  { ai: "255", name: "gcn", digits: 13, tail: "digits", most: 12, alone: "gcnclass", tailed: "gcn" },
  { ai: "401", name: "ginc", digits: 0, most: 30, tailed: "ginc" },
  { ai: "402", name: "gsin", digits: 17, alone: "gsin" },
  { ai: "414", name: "gln", digits: 13, alone: "sgln", qualifiers: [{ ai: "254", name: "glnx", most: 20, scheme: "sgln" }, UIC] },
  { ai: "415", name: "payTo", digits: 13, alone: "payto", qualifiers: [{ ai: "8020", name: "refno", most: 25, scheme: "payto" }] },
  { ai: "417", name: "party", digits: 13, alone: "pgln", qualifiers: [UIC] },
  { ai: "8003", name: "grai", digits: 14, zero: true, most: 16, alone: "graiclass", tailed: "grai" },
  { ai: "8004", name: "giai", digits: 0, most: 30, tailed: "giai", qualifiers: [UIC] },
  {
    ai: "8006", name: "itip", digits: 14, lead: true, pieces: 4, alone: "itipclass",
    qualifiers: [CPV, { ai: "10", name: "lot", most: 20, scheme: "itiplot" }, { ai: "21", name: "ser", most: 20, scheme: "itip" }],
  },
  {
    ai: "8010", name: "cpid", digits: 0, tail: "part", most: 30, tailed: "cpiclass",
    qualifiers: [{ ai: "8011", name: "cpsn", most: 12, set: "digits", plain: true, scheme: "cpi" }],
  },
  { ai: "8013", name: "gmn", digits: 0, most: 25, tailed: "gmn" },
  { ai: "8017", name: "gsrnp", digits: 18, alone: "gsrnp", qualifiers: [SRIN] },
  { ai: "8018", name: "gsrn", digits: 18, alone: "gsrn", qualifiers: [SRIN] },
];

const keyOf = (name: string): Key | undefined => KEYS.find((k) => k.ai === name || k.name === name);

function qualifierOf(key: Key, name: string): number {
  return (key.qualifiers ?? []).findIndex((q) => q.ai === name || (q.name !== undefined && q.name === name));
}

/** keyValue is a key's value in canonical form, and what it names by itself. */
function keyValue(key: Key, value: string): Identifier {
  if (key.digits === 0) {
    if (value.length <= 4 || !digits(value.slice(0, 4))) bad("a key that does not begin with a company prefix");
    if (key.tailed === "gmn" && !checkPair(value)) bad("a wrong check character pair");
    return { id: serial(value, key.most!, key.tail), scheme: key.tailed! };
  }
  if (key.alone === "gtin" && [8, 12, 13].includes(value.length)) return { id: keyDigits(value).padStart(14, "0"), scheme: "gtin" };
  const size = key.digits + (key.pieces ?? 0);
  if (value.length < size || (value.length > size && !key.tailed)) bad("a key of a wrong length");
  if (key.zero && value[0] !== "0") bad("a key that does not begin with a zero");
  if (!digits(value.slice(key.digits, size))) bad("a piece that is no number");
  const id = keyDigits(value.slice(0, key.digits)) + value.slice(key.digits, size);
  if (value.length === size) return { id, scheme: key.alone! };
  return { id: id + serial(value.slice(size), key.most!, key.tail), scheme: key.tailed! };
}

function keyDigits(value: string): string {
  if (!digits(value)) bad("a key that is no number");
  if (checkDigit(value.slice(0, -1)) !== value.slice(-1)) bad("a wrong check digit");
  return value;
}

/** checkPair reports whether a global model number ends in its check characters. */
function checkPair(s: string): boolean {
  const values = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
  const pairs = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  const primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83];
  const last = s.length - 2;
  if (last < 1 || last > primes.length) return false;
  let sum = 0;
  for (let i = 0; i < last; i++) {
    const value = values.indexOf(s[i]!);
    if (value < 0) return false;
    sum += value * primes[last - 1 - i]!;
  }
  sum %= 1021;
  return s.slice(last) === pairs[sum >> 5]! + pairs[sum & 31]!;
}

const NO_EXTENSION = "0"; // of a place

function qualifierValue(q: Qualifier, value: string): string {
  if (value.length < (q.least ?? 1) || (q.plain && /^0./.test(value))) bad("a qualifier that is too short, or a number with zeros in front");
  return serial(value, q.most, q.set);
}

function qualified(key: Key, at: number, value: string): string {
  const q = key.qualifiers![at]!;
  return q.scheme === "sgln" && value === NO_EXTENSION ? "" : `/${q.ai}/${qualifierValue(q, value)}`;
}

// EPC URNs.

interface EPC {
  readonly scheme: Scheme;
  readonly ai: string;
  readonly by?: string; // the qualifier that is the last part
  readonly pattern?: boolean; // the last part is a star
}

const EPCS: Readonly<Record<string, EPC>> = {
  "id:sgtin": { scheme: "sgtin", ai: "01", by: "21" },
  "id:sscc": { scheme: "sscc", ai: "00" },
  "id:sgln": { scheme: "sgln", ai: "414", by: "254" },
  "id:pgln": { scheme: "pgln", ai: "417" },
  "id:grai": { scheme: "grai", ai: "8003" },
  "id:giai": { scheme: "giai", ai: "8004" },
  "id:gsrn": { scheme: "gsrn", ai: "8018" },
  "id:gsrnp": { scheme: "gsrnp", ai: "8017" },
  "id:gdti": { scheme: "gdti", ai: "253" },
  "id:cpi": { scheme: "cpi", ai: "8010", by: "8011" },
  "id:sgcn": { scheme: "gcn", ai: "255" },
  "id:ginc": { scheme: "ginc", ai: "401" },
  "id:gsin": { scheme: "gsin", ai: "402" },
  "id:itip": { scheme: "itip", ai: "8006", by: "21" },
  "id:upui": { scheme: "upui", ai: "01", by: "235" },
  "class:lgtin": { scheme: "lgtin", ai: "01", by: "10" },
  "idpat:sgtin": { scheme: "gtin", ai: "01", pattern: true },
  "idpat:grai": { scheme: "graiclass", ai: "8003", pattern: true },
  "idpat:gdti": { scheme: "gdticlass", ai: "253", pattern: true },
  "idpat:cpi": { scheme: "cpiclass", ai: "8010", pattern: true },
  "idpat:sgcn": { scheme: "gcnclass", ai: "255", pattern: true },
  "idpat:itip": { scheme: "itipclass", ai: "8006", pattern: true },
  "idpat:upui": { scheme: "gtin", ai: "01", pattern: true },
};

function readURN(rest: string): Identifier {
  const [kind, tail] = cut(rest, ":");
  if (kind === "raw" && tail !== "") return { id: "urn:epc:" + rest, scheme: "gs1" };
  const [name, value, ok] = cut(tail, ":");
  if (!ok || value === "") bad("no such EPC URN");
  const epc = `${kind}:${name}`;
  if (Object.hasOwn(EPCS, epc)) return readEPC(EPCS[epc]!, value);
  const check = Object.hasOwn(LINKLESS, name) ? LINKLESS[name] : undefined;
  if (check && (kind === "idpat" || (kind === "id" && check(value)))) return { id: "urn:epc:" + rest, scheme: "gs1" };
  return bad("no such EPC URN, or a malformed one");
}

function readEPC(epc: EPC, whole: string): Identifier {
  let value = whole;
  if (epc.pattern) {
    if (!whole.endsWith(".*")) bad("no pattern of a class");
    value = whole.slice(0, -2);
    if (value.includes("*")) bad("no pattern of a class");
  }
  const [prefix, behind, two] = cut(value, ".");
  if (!two || prefix.length < 6 || prefix.length > 12 || !digits(prefix)) bad("no company prefix");
  const key = keyOf(epc.ai)!;
  const at = epc.by === undefined ? -1 : qualifierOf(key, epc.by);
  const start = `${STEM}${key.ai}/`;
  if (key.digits === 0) {
    const [text, last, three] = at < 0 ? [behind, "", false] : cut(behind, ".");
    if (at >= 0 && !three) bad("too few parts");
    const id = start + prefix + serial(unescape(text), key.most! - prefix.length, key.tail);
    return { id: at < 0 ? id : id + qualified(key, at, unescape(last)), scheme: epc.scheme };
  }
  let [reference, last, more] = cut(behind, ".");
  if (prefix.length + reference.length !== key.digits - (key.zero ? 2 : 1) || !digits(reference)) bad("prefix and reference of a wrong length");
  const number = (key.zero ? "0" : "") + (key.lead ? reference[0]! + prefix + reference.slice(1) : prefix + reference);
  let id = start + number + checkDigit(number);
  for (let n = 0; n < (key.pieces ?? 0); n += 2) {
    let piece: string;
    [piece, last, more] = cut(last, ".");
    if (piece.length !== 2 || !digits(piece)) bad("a piece that is no number of two digits");
    id += piece;
  }
  const tailed = at >= 0 || epc.scheme === key.tailed;
  if (more !== tailed) bad("wrong number of parts");
  if (at >= 0) id += qualified(key, at, unescape(last));
  else if (tailed) id += serial(unescape(last), key.most!, key.tail);
  return { id, scheme: epc.scheme };
}

// Schemes without a Digital Link, and what their URNs hold behind the name.

const plainNumber = (s: string): boolean => /^(0|[1-9][0-9]*)$/.test(s) && (s.length < 11 || (s.length === 11 && s <= "68719476735"));
const cage = (s: string): boolean => /^[0-9A-HJ-NP-Z]{5,6}$/.test(s);

function partNumber(s: string, least: number, most: number): boolean {
  const t = unescape(s);
  return t.length >= least && t.length <= most && /^[A-Z0-9\-/]*$/.test(t);
}

const LINKLESS: Readonly<Record<string, (value: string) => boolean>> = {
  gid: (v) => v.split(".").length === 3 && v.split(".").every(plainNumber),
  usdod: (v) => {
    const p = v.split(".");
    return p.length === 2 && cage(p[0]!) && plainNumber(p[1]!);
  },
  adi: (v) => {
    const p = v.split(".");
    return p.length === 3 && cage(p[0]!) && partNumber(p[1]!, 0, 32) && partNumber(p[2]!.replace(/^%23/, ""), 1, 30);
  },
  bic: (v) => {
    if (!/^[A-Z]{4}[0-9]{7}$/.test(v)) return false;
    let sum = 0;
    for (let i = 0; i < 10; i++) {
      let n = v.charCodeAt(i) - (i < 4 ? 55 : 48);
      if (i < 4) n += Math.floor((n - 1) / 10);
      sum += n * 2 ** i;
    }
    return Number(v[10]) === (sum % 11) % 10;
  },
  imovn: (v) => {
    if (!/^[0-9]{7}$/.test(v)) return false;
    let sum = 0;
    for (let i = 0; i < 6; i++) sum += Number(v[i]) * (7 - i);
    return Number(v[6]) === sum % 10;
  },
};

// Digital Links.

function readLink(whole: string, rest: string): Identifier {
  const [before] = cut(rest, "#");
  const [address, query] = cut(before, "?");
  const slash = address.indexOf("/");
  const host = slash < 0 ? address : address.slice(0, slash);
  const path = slash < 0 ? "" : address.slice(slash);
  if (ownHost(host)) {
    const [name, pairs] = cut(path.startsWith("/") ? path.slice(1) : path, "/");
    return readKey(name, pairs, query, true);
  }
  const found = findKey(path);
  if (!found || host === "") return { id: whole, scheme: "private" };
  try {
    return readKey(found.name, found.pairs, query, false);
  } catch (e) {
    if (e instanceof Flaw) return { id: whole, scheme: "private" };
    throw e;
  }
}

function ownHost(authority: string): boolean {
  const at = authority.lastIndexOf("@");
  const [host] = cut(at < 0 ? authority : authority.slice(at + 1), ":");
  return /^id\.gs1\.org\.?$/i.test(host);
}

/** findKey finds the last key of a path, pair by pair from the end. */
function findKey(path: string): { name: string; pairs: string } | undefined {
  for (let end = path.length; ; ) {
    const value = path.lastIndexOf("/", end - 1);
    if (end < 1 || value < 1) return undefined;
    const at = path.lastIndexOf("/", value - 1);
    if (at < 0) return undefined;
    const name = path.slice(at + 1, value);
    if (keyOf(name) !== undefined) return { name, pairs: path.slice(value + 1) };
    end = at;
  }
}

function readKey(name: string, pairs: string, query: string, own: boolean): Identifier {
  const key = keyOf(name);
  if (key === undefined || pairs === "") return bad("no key of Digital Link");
  let [value, rest, more] = cutValue(key, pairs, own);
  const of = unescape(value);
  let by = -1;
  let byValue = "";
  for (let last = -1; more; ) {
    const [q, tail, ok] = cut(rest, "/");
    const at = qualifierOf(key, q);
    const known = key.qualifiers?.[at];
    if (!ok || !known || at <= last || (known.apart && last >= 0)) return bad("a qualifier that is none, or out of order");
    last = at;
    [value, rest, more] = cutValue(key, tail, own);
    value = unescape(value);
    qualifierValue(known, value);
    if (known.scheme) [by, byValue] = [at, value];
  }
  const found = keyValue(key, of);
  const id = `${STEM}${key.ai}/${found.id}`;
  const added = by < 0 ? "" : qualified(key, by, byValue);
  if (query !== "") checkQuery(key, query);
  return added === "" ? { id, scheme: found.scheme } : { id: id + added, scheme: key.qualifiers![by]!.scheme! };
}

/**
 * cutValue splits off a value at the next slash. At GS1's own host all is the value if
 * neither a qualifier nor a key is named anywhere behind it.
 */
function cutValue(key: Key, s: string, own: boolean): [string, string, boolean] {
  const [value, rest, more] = cut(s, "/");
  if (!more || !own) return [value, rest, more];
  if (rest.split("/").some((segment) => qualifierOf(key, segment) >= 0 || keyOf(segment) !== undefined)) return [value, rest, true];
  return [s, "", false];
}

/** PATH_ONLY are qualifiers that are no attribute of any other key. */
const PATH_ONLY: ReadonlySet<string> = new Set(["21", "22", "235", "254", "7040", "8011", "8019", "8020"]);

function checkQuery(key: Key, query: string): void {
  const seen = new Set<string>();
  for (const parameter of query.split("&")) {
    const [name, value] = cut(parameter, "=");
    if (!/^[0-9]{2,4}$/.test(name)) continue;
    if (value === "" || keyOf(name) === key || qualifierOf(key, name) >= 0 || PATH_ONLY.has(name) || seen.has(name)) bad("a query that names the key, a qualifier, or an attribute twice or without value");
    seen.add(name);
  }
}
