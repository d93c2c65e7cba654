// Identifiers and their canonical form (docs/format.md, "Identifiers"). Values are
// handled as strings of which each character is a byte or, beyond ASCII, whatever it is:
// what is percent-decoded into bytes beyond ASCII is in no serial number.

import { refuse, utf8 } from "./bytes.js";

export type Scheme = "private" | "sgtin" | "sscc" | "sgln" | "pgln" | "grai" | "giai" | "gtin" | "lgtin" | "gs1" | "graiclass";

export interface Identifier {
  readonly id: string;
  readonly scheme: Scheme;
}

/** isClass reports whether a scheme names a class or lot. */
export const isClass = (s: Scheme): boolean => s === "gtin" || s === "lgtin" || s === "graiclass";

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
  if (/^urn:epc:/i.test(s)) return readURN(s, s.slice("urn:epc:".length));
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

/** serial is a value of the GS1 character set, percent-encoded. */
function serial(value: string, most: number): string {
  if (value.length < 1 || value.length > most || !/^[A-Za-z0-9!"%&'()*+,\-./:;<=>?_]*$/.test(value)) bad("a serial, lot or extension that is none");
  return value.replace(/[^A-Za-z0-9\-._~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"));
}

// EPC URNs.

const OTHER_EPC = new Set(["gsrn", "gsrnp", "gdti", "cpi", "sgcn", "ginc", "gsin", "itip", "upui", "gid", "usdod", "adi", "bic", "imovn"]);

function readURN(whole: string, rest: string): Identifier {
  const [kind, tail] = cut(rest, ":");
  const [name, value, ok] = cut(tail, ":");
  if (!ok || value === "") bad("no such EPC URN");
  switch (kind) {
    case "raw":
      return { id: whole, scheme: "gs1" };
    case "class":
      if (name === "lgtin") return tradeItem(value, "lgtin");
      break;
    case "id":
      switch (name) {
        case "sgtin":
          return tradeItem(value, "sgtin");
        case "sscc": {
          const p = parts(value, 17);
          if (p.more) bad("too many parts");
          const key = p.reference[0]! + p.prefix + p.reference.slice(1);
          return { id: `${STEM}00/${key}${checkDigit(key)}`, scheme: "sscc" };
        }
        case "sgln":
        case "pgln":
          return location(value, name);
        case "grai":
          return returnable(value, "grai");
        case "giai": {
          const [prefix, reference, two] = cut(value, ".");
          if (!two || prefix.length < 6 || prefix.length > 12 || !digits(prefix)) bad("no company prefix");
          return { id: `${STEM}8004/${prefix}${serial(unescape(reference), 30 - prefix.length)}`, scheme: "giai" };
        }
      }
      if (OTHER_EPC.has(name)) return { id: whole, scheme: "gs1" };
      break;
    case "idpat":
      if (name === "sgtin" || name === "grai") {
        const stem = value.endsWith(".*") ? value.slice(0, -2) : bad("no pattern of a class");
        if (stem.includes("*")) bad("no pattern of a class");
        return name === "grai" ? returnable(stem, "graiclass") : tradeItem(stem, "gtin");
      }
      if (OTHER_EPC.has(name)) return { id: whole, scheme: "gs1" };
  }
  return bad("no such EPC URN");
}

function parts(value: string, size: number): { prefix: string; reference: string; tail: string; more: boolean } {
  const [prefix, rest, ok] = cut(value, ".");
  const [reference, tail, more] = cut(rest, ".");
  if (!ok || prefix.length < 6 || prefix.length > 12 || !digits(prefix)) bad("no company prefix");
  if (prefix.length + reference.length !== size || !digits(reference)) bad("prefix and reference of a wrong length");
  return { prefix, reference, tail, more };
}

function tradeItem(value: string, scheme: "sgtin" | "lgtin" | "gtin"): Identifier {
  const p = parts(value, 13);
  if (p.more === (scheme === "gtin")) bad("wrong number of parts");
  const key = p.reference[0]! + p.prefix + p.reference.slice(1);
  let id = `${STEM}01/${key}${checkDigit(key)}`;
  if (scheme === "sgtin") id += "/21/" + serial(unescape(p.tail), 20);
  if (scheme === "lgtin") id += "/10/" + serial(unescape(p.tail), 20);
  return { id, scheme };
}

function location(value: string, scheme: "sgln" | "pgln"): Identifier {
  const p = parts(value, 12);
  if (p.more !== (scheme === "sgln")) bad("wrong number of parts");
  const key = p.prefix + p.reference;
  if (scheme === "pgln") return { id: `${STEM}417/${key}${checkDigit(key)}`, scheme };
  return { id: `${STEM}414/${key}${checkDigit(key)}${extension(unescape(p.tail))}`, scheme };
}

const extension = (value: string): string => (value === "0" ? "" : "/254/" + serial(value, 20));

function returnable(value: string, scheme: "grai" | "graiclass"): Identifier {
  const p = parts(value, 12);
  if (p.more !== (scheme === "grai")) bad("wrong number of parts");
  const key = p.prefix + p.reference;
  return { id: `${STEM}8003/0${key}${checkDigit(key)}${scheme === "grai" ? serial(unescape(p.tail), 16) : ""}`, scheme };
}

// Digital Links.

const KEYS: Readonly<Record<string, string>> = {
  "00": "00", sscc: "00", "01": "01", gtin: "01", "414": "414", gln: "414", "417": "417", party: "417", "8003": "8003", grai: "8003", "8004": "8004", giai: "8004",
};
for (const name of ["253", "gdti", "255", "gcn", "401", "ginc", "402", "gsin", "415", "payTo", "8006", "itip", "8010", "cpid", "8013", "gmn", "8017", "gsrnp", "8018", "gsrn"]) {
  (KEYS as Record<string, string>)[name] = "other";
}
const keyOf = (name: string): string | undefined => (Object.hasOwn(KEYS, name) ? KEYS[name] : undefined);

const QUALIFIERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "01": { "22": "22", cpv: "22", "10": "10", lot: "10", "21": "21", ser: "21", "235": "other" },
  "414": { "254": "254", glnx: "254", "7040": "other" },
  "417": { "7040": "other" },
  "8004": { "7040": "other" },
};
const ORDER = ["22", "10", "21", "254", "other"];

function qualifierOf(key: string, name: string): string | undefined {
  const of = QUALIFIERS[key];
  return of && Object.hasOwn(of, name) ? of[name] : undefined;
}

function readLink(whole: string, rest: string): Identifier {
  const [before] = cut(rest, "#");
  const [address, query] = cut(before, "?");
  const slash = address.indexOf("/");
  const host = slash < 0 ? address : address.slice(0, slash);
  const path = slash < 0 ? "" : address.slice(slash);
  if (ownHost(host)) {
    const [name, pairs] = cut(path.startsWith("/") ? path.slice(1) : path, "/");
    return readKey(whole, name, pairs, query, true);
  }
  const found = findKey(path);
  if (!found || host === "") return { id: whole, scheme: "private" };
  try {
    return readKey(whole, found.name, found.pairs, query, false);
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

function readKey(whole: string, name: string, pairs: string, query: string, own: boolean): Identifier {
  const key = keyOf(name);
  if (key === undefined || pairs === "") return bad("no key of Digital Link");
  if (key === "other") return { id: whole, scheme: "gs1" };
  let [value, rest, more] = cutValue(key, pairs, own);
  const of = unescape(value);
  let by = "";
  let byValue = "";
  let other = false;
  for (let last = -1; more; ) {
    const [q, tail, ok] = cut(rest, "/");
    const known = qualifierOf(key, q);
    const order = known === undefined ? -1 : ORDER.indexOf(known);
    if (!ok || order <= last || (known === "other" && last >= 0)) bad("a qualifier that is none, or out of order");
    last = order;
    [value, rest, more] = cutValue(key, tail, own);
    value = unescape(value);
    serial(value, known === "other" ? 28 : 20);
    if (known === "other") other = true;
    else if (known !== "22") [by, byValue] = [known!, value];
  }
  const found = linkOf(key, of, by, byValue);
  if (query !== "") checkQuery(key, query);
  return other ? { id: whole, scheme: "gs1" } : found;
}

/**
 * cutValue splits off a value at the next slash. At GS1's own host all is the value if
 * neither a qualifier nor a key is named anywhere behind it.
 */
function cutValue(key: string, s: string, own: boolean): [string, string, boolean] {
  const [value, rest, more] = cut(s, "/");
  if (!more || !own) return [value, rest, more];
  if (rest.split("/").some((segment) => qualifierOf(key, segment) !== undefined || keyOf(segment) !== undefined)) return [value, rest, true];
  return [s, "", false];
}

function keyDigits(value: string, size: number): string {
  if (value.length !== size || !digits(value)) bad("a key of a wrong length, or that is no number");
  if (checkDigit(value.slice(0, -1)) !== value.slice(-1)) bad("a wrong check digit");
  return value;
}

function linkOf(key: string, value: string, by: string, byValue: string): Identifier {
  switch (key) {
    case "00":
      return { id: `${STEM}00/${keyDigits(value, 18)}`, scheme: "sscc" };
    case "414":
      return { id: `${STEM}414/${keyDigits(value, 13)}${by === "254" ? extension(byValue) : ""}`, scheme: "sgln" };
    case "417":
      return { id: `${STEM}417/${keyDigits(value, 13)}`, scheme: "pgln" };
    case "8003": {
      if (value.length < 14 || value[0] !== "0") bad("no returnable asset");
      const id = `${STEM}8003/${keyDigits(value.slice(0, 14), 14)}`;
      return value.length === 14 ? { id, scheme: "graiclass" } : { id: id + serial(value.slice(14), 16), scheme: "grai" };
    }
    case "8004":
      if (value.length <= 6 || !digits(value.slice(0, 6))) bad("no individual asset");
      return { id: `${STEM}8004/${serial(value, 30)}`, scheme: "giai" };
  }
  if (![8, 12, 13, 14].includes(value.length)) bad("a GTIN of a wrong length");
  keyDigits(value, value.length);
  const id = `${STEM}01/${value.padStart(14, "0")}`;
  if (by === "10") return { id: `${id}/10/${serial(byValue, 20)}`, scheme: "lgtin" };
  if (by === "21") return { id: `${id}/21/${serial(byValue, 20)}`, scheme: "sgtin" };
  return { id, scheme: "gtin" };
}

function checkQuery(key: string, query: string): void {
  const seen = new Set<string>();
  for (const parameter of query.split("&")) {
    const [name, value] = cut(parameter, "=");
    if (!/^[0-9]{2,4}$/.test(name)) continue;
    if (value === "" || keyOf(name) === key || qualifierOf(key, name) !== undefined || seen.has(name)) bad("a query that names the key, a qualifier, or an attribute twice or without value");
    seen.add(name);
  }
}
