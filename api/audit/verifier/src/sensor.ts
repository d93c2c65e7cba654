// What of an event's sensors is in its skeleton (docs/format.md, "From the body to the
// skeleton"): temperatures and relative humidities, in one unit each.

import { type Bytes, Writer, be64, compareText, fields, refuse, signed64, text, uint } from "./bytes.js";
import type { Value } from "./json.js";

export interface Reading {
  readonly of: number; // 1 temperature, 2 humidity
  readonly from: bigint;
  readonly until: bigint;
  readonly low: bigint; // 10^-12 degrees Celsius or per cent
  readonly high: bigint;
}

export interface Sensor {
  readonly device: string;
  unread: number; // bits: 1 << quality
  readonly readings: Reading[];
}

const ONE = 10n ** 12n;
const MOST = 10n ** 9n * ONE;
const QUALITIES = ["", "Temperature", "RelativeHumidity"];
const LEAST = [0n, (-27315n * ONE) / 100n, 0n];

/** UNITS are, by quality and code, numbers a, b, c: an amount v is (a v + b) / c in the quality's unit. */
const UNITS: ReadonlyMap<string, readonly [bigint, bigint, bigint]>[] = [
  new Map(),
  new Map([["CEL", [1n, 0n, 1n]], ["KEL", [100n, -27315n, 100n]], ["FAH", [5n, -160n, 9n]], ["A48", [500n, -245835n, 900n]]]),
  new Map([["P1", [1n, 0n, 1n]], ["C62", [100n, 0n, 1n]], ["NX", [1n, 0n, 10n]], ["59", [1n, 0n, 10000n]], ["61", [1n, 0n, 10000000n]]]),
];

const floor = (a: bigint, b: bigint): bigint => (a >= 0n || a % b === 0n ? a / b : a / b - 1n);

/** amount is a number in the quality's unit: the ends that it is between; undefined where it cannot be compared. */
function amount(of: number, raw: string, unit: string): [low: bigint, high: bigint] | undefined {
  const scale = UNITS[of]!.get(unit);
  const m = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(raw);
  if (!scale || !m || raw.length > 400) return undefined;
  const fraction = m[3] ?? "";
  const digits = (m[2]! + fraction).replace(/^0+/, "");
  const exponent = BigInt(m[4] ?? "0");
  let point = exponent + BigInt(m[2]!.length);
  if (m[2] === "0") point = exponent - BigInt(fraction.length - fraction.replace(/^0+/, "").length);
  if (digits.replace(/0+$/, "").length > 60 || point > 120n || point < -60n) return undefined;
  let over = BigInt(m[1] + (digits || "0"));
  let under = 1n;
  const shift = exponent - BigInt(fraction.length);
  if (shift >= 0n) over *= digits ? 10n ** shift : 1n;
  else under = 10n ** -shift;
  const [a, b, c] = scale;
  over = (a * over + b * under) * ONE;
  under *= c;
  const low = floor(over, under);
  const high = low * under === over ? low : low + 1n;
  return low < LEAST[of]! || high > MOST ? undefined : [low, high];
}

/** fixed writes 10^-12 as a canonical decimal. */
function fixed(v: bigint): string {
  const [sign, size] = v < 0n ? ["-", -v] : ["", v];
  const rest = (size % ONE).toString().padStart(12, "0").replace(/0+$/, "");
  return sign + (size / ONE).toString() + (rest ? "." + rest : "");
}

function parseFixed(s: string): bigint {
  const m = /^(-?)(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,12}))?$/.exec(s);
  if (!m) return refuse("a reading that is no decimal");
  const v = BigInt(m[2]!) * ONE + BigInt((m[3] ?? "").padEnd(12, "0"));
  return m[1] ? -v : v;
}

const compare = (a: bigint | number, b: bigint | number): number => (a < b ? -1 : a > b ? 1 : 0);

const order = (a: Reading, b: Reading): number =>
  compare(a.of, b.of) || compare(a.until, b.until) || compare(b.from, a.from) || compare(a.low, b.low) || compare(a.high, b.high);

interface About {
  device: string;
  from: bigint;
  until: bigint;
}

/** How is how texts of an event are read: its prefixes, identifiers and times. */
export interface How {
  expand(s: string): string;
  id(s: string): string;
  time(s: string): bigint;
}

const str = (v: Value): string => (v.kind === "string" ? v.text : refuse("a member that must be a string"));
const entries = (v: Value | undefined): readonly Value[] => (v?.kind === "array" ? v.values : []);
const members = (v: Value | undefined) => (v?.kind === "object" ? v.members : []);

/** word is a term of a list of sensors, where it is one of these words. */
function word(how: How, s: string, web: string, words: readonly string[]): string {
  if (!s.includes(":")) return words.includes(s) ? s : "";
  const uri = how.expand(s);
  const stems = [`https://gs1.org/voc/${web}`, "https://gs1.org/voc/", `https://ref.gs1.org/voc/${web}`, "https://ref.gs1.org/voc/", `https://ref.gs1.org/cbv/${web}`, `https://ns.gs1.org/cbv/${web}`];
  return words.find((w) => stems.some((stem) => uri === stem + w)) ?? "";
}

/** sensorsOf derives what rules read of a sensorElementList. */
export function sensorsOf(list: Value | undefined, eventTime: bigint, how: How): Sensor[] {
  const found: { device: string; of: number; reading: Reading | undefined }[] = [];
  for (const element of entries(list)) {
    const at = new Map(members(element).map((m) => [m.name, m.value]));
    const about = aboutOf(at.get("sensorMetadata"), { device: "", from: eventTime, until: eventTime }, how);
    for (const report of entries(at.get("sensorReport"))) {
      const one = readingOf(report, about, how);
      if (one) found.push(one);
    }
  }
  found.sort((a, b) => compareText(a.device, b.device));
  const out = new Map<string, Sensor>();
  for (const { device, of, reading } of found) {
    const s = out.get(device) ?? { device, unread: 0, readings: [] };
    out.set(device, s);
    if (reading) s.readings.push(reading);
    else s.unread |= 1 << of;
  }
  for (const s of out.values()) s.readings.sort(order);
  return [...out.values()];
}

function aboutOf(v: Value | undefined, about: About, how: How): About {
  const at = new Map(members(v).map((m) => [m.name, m.value]));
  const timeOf = (name: string): bigint | undefined => {
    const t = at.get(name);
    return t && how.time(str(t));
  };
  const device = at.get("deviceID");
  if (device) about.device = how.id(str(device));
  const [time, start, end] = [timeOf("time"), timeOf("startTime"), timeOf("endTime")];
  if (time !== undefined) return { ...about, from: time, until: time };
  const [a, b] = [start ?? end, end ?? start];
  if (a === undefined || b === undefined) return about;
  return { ...about, from: a < b ? a : b, until: a < b ? b : a };
}

function readingOf(v: Value, about: About, how: How): { device: string; of: number; reading: Reading | undefined } | undefined {
  let { device, from, until } = about;
  let of = 0;
  let unit = "";
  const raws: string[] = [];
  for (const m of members(v)) {
    switch (m.name) {
      case "type": of = Math.max(0, QUALITIES.indexOf(word(how, str(m.value), "MeasurementType-", QUALITIES.slice(1)) || "none")); break;
      case "exception":
        if (word(how, str(m.value), "SensorAlertType-", ["ERROR_CONDITION"])) return undefined;
        break;
      case "value": case "minValue": case "maxValue": case "meanValue":
        raws.push(m.value.kind === "number" ? m.value.raw : refuse("an amount that is no number"));
        break;
      case "uom": unit = str(m.value); break;
      case "time": from = until = how.time(str(m.value)); break;
      case "deviceID": device = how.id(str(m.value)); break;
    }
  }
  if (of === 0 || raws.length === 0) return undefined;
  const ends = raws.map((raw) => amount(of, raw, unit));
  if (ends.some((e) => e === undefined)) return { device, of, reading: undefined };
  const lows = ends.map((e) => e![0]);
  const highs = ends.map((e) => e![1]);
  const reading = { of, from, until, low: lows.reduce((a, b) => (b < a ? b : a)), high: highs.reduce((a, b) => (b > a ? b : a)) };
  return { device, of, reading };
}

/** encodeSensor is the value of a sensor's field in a skeleton. */
export function encodeSensor(s: Sensor, eventTime: bigint): Bytes {
  const w = new Writer().text(1, s.device).uint(2, s.unread);
  for (const r of s.readings) {
    const one = new Writer().uint(1, r.of);
    if (r.from !== eventTime) one.always(2, be64(r.from));
    if (r.until !== r.from) one.always(3, be64(r.until));
    one.text(4, fixed(r.low));
    if (r.high !== r.low) one.text(5, fixed(r.high));
    w.always(3, one.bytes());
  }
  return w.bytes();
}

/** decodeSensor reads such a value; that it is in its one encoding is for others to see. */
export function decodeSensor(v: Bytes, eventTime: bigint): Sensor {
  const s: Sensor = { device: "", unread: 0, readings: [] };
  let device = "";
  for (const f of fields(v)) {
    if (f.n === 1) device = text(f.v);
    else if (f.n === 2) s.unread = Number(uint(f.v, 6n));
    else if (f.n === 3) s.readings.push(decodeReading(f.v, eventTime));
    else refuse("a sensor with an unknown field");
  }
  if ((s.unread & 1) !== 0 || (s.unread === 0 && s.readings.length === 0)) refuse("a sensor that says nothing");
  if (s.readings.some((r, i) => i > 0 && order(s.readings[i - 1]!, r) > 0)) refuse("readings out of order");
  return { ...s, device };
}

function decodeReading(v: Bytes, eventTime: bigint): Reading {
  let [of, from, until] = [0, eventTime, eventTime];
  let [low, high] = [0n, 0n];
  for (const f of fields(v)) {
    if (f.n === 1) of = Number(uint(f.v, 2n));
    else if (f.n === 2) from = until = signed64(f.v);
    else if (f.n === 3) until = signed64(f.v);
    else if (f.n === 4) low = high = parseFixed(text(f.v));
    else if (f.n === 5) high = parseFixed(text(f.v));
    else refuse("a reading with an unknown field");
  }
  if (of === 0 || until < from || high < low || low < LEAST[of]! || high > MOST) refuse("a reading that is none");
  return { of, from, until, low, high };
}
