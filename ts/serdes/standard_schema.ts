// Schemas of any library that implements Standard Schema v1 (zod, valibot, arktype, ...) as serdes: a value is
// checked when it is sent, stored as the JSON of what was given, and checked again when it is read, where the
// schema's transformations and defaults apply.

import { CODEC, type Codec } from "./codec.js";
import { jsonCodec, toJson } from "./json.js";
import type { Serde } from "./serde.js";

/** The part of Standard Schema v1 that is used here; see standardschema.dev. */
export interface StandardSchema<In = unknown, Out = In> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Out> | Promise<StandardResult<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}

/** What a schema answers: the value, or what is wrong with it. */
export type StandardResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: ReadonlyArray<StandardIssue> };

/** One thing that is wrong, and where in the value. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** A value did not fit its schema. */
export class SchemaIssues extends Error {
  override name = "SchemaIssues";
  readonly issues: readonly StandardIssue[];
  constructor(issues: readonly StandardIssue[]) {
    super(issues.map(described).join("; "));
    this.issues = issues;
  }
}

function described(issue: StandardIssue): string {
  const path = (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".");
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}

function checked<Out>(schema: StandardSchema<unknown, Out>, value: unknown): Out {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new TypeError("the schema validates asynchronously; only synchronous schemas can be used for records");
  }
  if (result.issues !== undefined) throw new SchemaIssues(result.issues);
  return result.value;
}

/** The serde of a schema. */
export function schemaSerde(schema: StandardSchema): Serde<unknown> {
  const codec: Codec = {
    keepsBytes: false,
    write(value, pack) {
      checked(schema, value);
      return jsonCodec.write(value, pack);
    },
    read: (bytes, start, end) => checked(schema, jsonCodec.read(bytes, start, end)),
  };
  const serde: Serde<unknown> & { [CODEC]: Codec } = {
    [CODEC]: codec,
    serialize(value) {
      checked(schema, value);
      return Buffer.from(toJson(value));
    },
    deserialize: (bytes) => codec.read(bytes, 0, bytes.length),
  };
  return serde;
}
