export type { Waits } from "./backoff.js";
export type { Condition, Part, Scalar, SizeCondition, Where } from "./conditions.js";
export type { ConnectionOptions } from "./connection.js";
export { Headwater } from "./headwater.js";
export type {
  Deleted,
  Hit,
  Hits,
  Item,
  Json,
  JsonObject,
  ListOptions,
  Page,
  PageOptions,
  SearchOptions,
  Versioned,
  WriteOptions,
  Written,
} from "./headwater.js";
export type { Live, LiveOptions, LiveStatus } from "./live.js";
export { HeadwaterError, RefusedError, TransportError } from "./problem.js";
export type { Problem, ProblemDetail } from "./problem.js";
export type { Change, RecordChange, State } from "./state.js";
