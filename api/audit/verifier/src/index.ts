// The verifier as a library, for Node and for browsers.

export { Refused, unhex } from "./bytes.js";
export { fromJSON, toJSON } from "./form.js";
export { Digits, visible, write } from "./json.js";
export { type Trust, decodeTrust } from "./trust.js";
export { verify } from "./verify.js";
export { type Demand, type WitnessKey, parseWitnessKey } from "./witness.js";
