// Traces through the log. The W3C trace context travels in the headers `traceparent` and `tracestate` of records, as other
// clients of Kafka have it; spans follow OpenTelemetry's conventions for messaging. It needs `@opentelemetry/api` only, and
// does nothing where no SDK is set up. Take it over into a program as it is.
import {
  type Attributes,
  type Context,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapSetter,
  trace,
} from "@opentelemetry/api";
import {
  type ConsumerRecord,
  type Header,
  type HeaderInput,
  header,
  type Producer,
  type ProducerRecord,
  type RecordBatch,
  type RecordMetadata,
  type Topic,
  type Transaction,
} from "tidelog";

const tracer = trace.getTracer("tidelog");
// biome-ignore lint/suspicious/noExplicitAny: what is read from it does not matter here
type Into<K, V> = Topic<K, V, any, any>;
type WithHeaders = { readonly headers: readonly Header[] };

const setter: TextMapSetter<HeaderInput[]> = {
  set: (headers, name, value) => headers.push([name, value]),
};
const getter: TextMapGetter<WithHeaders> = {
  keys: ({ headers }) => headers.map(([name]) => name),
  get: (record, name) => header(record, name)?.toString(),
};

/** Headers that carry a trace context, in place of one that they may have: of a record that is passed on, say. */
export function withContext(headers: readonly HeaderInput[] = [], carried = context.active()): HeaderInput[] {
  const fields = propagation.fields();
  const all = headers.filter(([name]) => !fields.includes(name));
  propagation.inject(carried, all, setter);
  return all;
}

/** The trace context that a record brings. */
export function contextOf(record: WithHeaders): Context {
  return propagation.extract(ROOT_CONTEXT, record, getter);
}

/** Sends a record in a span that ends when it is durable. */
export function send<K, V>(
  producer: Producer,
  topic: Into<K, V>,
  record: ProducerRecord<NoInfer<K>, NoInfer<V>>,
): Promise<RecordMetadata> {
  const options = { kind: SpanKind.PRODUCER, attributes: attributesOf("send", topic.name) };
  return inSpan(tracer.startSpan(`send ${topic.name}`, options), async (span) => {
    const place = await producer.send(topic, { ...record, headers: withContext(record.headers) });
    span.setAttributes(placeOf(place.partition, place.offset));
    return place;
  });
}

/** Adds a record to a transaction, in a span of its own: it exists from here on, and is sent with the commit. */
export function sendIn<K, V>(tx: Transaction, topic: Into<K, V>, record: ProducerRecord<NoInfer<K>, NoInfer<V>>): void {
  const options = { kind: SpanKind.PRODUCER, attributes: attributesOf("create", topic.name) };
  const span = tracer.startSpan(`create ${topic.name}`, options);
  tx.send(topic, { ...record, headers: withContext(record.headers, trace.setSpan(context.active(), span)) });
  span.end();
}

/** Handles a record in a span that goes on with the record's own trace. What the handler sends goes on with it in turn. */
export function processRecord<R extends ConsumerRecord<unknown, unknown>, T>(
  record: R,
  group: string,
  handle: (record: R) => T | Promise<T>,
): Promise<T> {
  const parent = contextOf(record);
  const attributes = {
    ...attributesOf("process", record.topic, group),
    ...placeOf(record.partition, record.offset),
  };
  const options = { kind: SpanKind.CONSUMER, attributes, links: linksTo([record]) };
  const span = tracer.startSpan(`process ${record.topic}`, options, parent);
  return inSpan(span, () => handle(record), parent);
}

/** Handles a batch in one span. Its records are of many traces: it is of none of them, and has a link to each. */
export function processBatch<R extends ConsumerRecord<unknown, unknown>, T>(
  batch: RecordBatch<R>,
  group: string,
  handle: (batch: RecordBatch<R>) => T | Promise<T>,
): Promise<T> {
  const attributes = {
    ...attributesOf("process", batch.topic, group),
    "messaging.destination.partition.id": String(batch.partition),
    "messaging.batch.message_count": batch.length,
  };
  const options = { kind: SpanKind.CONSUMER, attributes, links: linksTo(batch) };
  return inSpan(tracer.startSpan(`process ${batch.topic}`, options), () => handle(batch));
}

/** Runs work inside of a span, and ends it with the work. */
async function inSpan<T>(span: Span, work: (span: Span) => T | Promise<T>, parent = context.active()): Promise<T> {
  try {
    return await context.with(trace.setSpan(parent, span), work, undefined, span);
  } catch (error) {
    const { message, code, name } = error as Error & { code?: string };
    span.setAttribute("error.type", code ?? name);
    span.setStatus({ code: SpanStatusCode.ERROR, message });
    throw error;
  } finally {
    span.end();
  }
}

function linksTo(records: Iterable<WithHeaders>): Link[] {
  const links: Link[] = [];
  for (const record of records) {
    const sent = trace.getSpanContext(contextOf(record));
    if (sent !== undefined) links.push({ context: sent });
  }
  return links;
}

function attributesOf(operation: "create" | "send" | "process", topic: string, group?: string): Attributes {
  const attributes: Attributes = {
    "messaging.system": "tidelog",
    "messaging.operation.name": operation,
    "messaging.operation.type": operation,
    "messaging.destination.name": topic,
  };
  if (group !== undefined) attributes["messaging.consumer.group.name"] = group;
  return attributes;
}

function placeOf(partition: number, offset: number): Attributes {
  return { "messaging.destination.partition.id": String(partition), "messaging.kafka.offset": offset };
}
