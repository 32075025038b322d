// A trace from a web request through the log: an order is sent, billing reads it and writes an invoice exactly once, a report
// reads invoices by the batch. The spans are kept in memory here, and printed; a program exports them instead.
// node --import tsx examples/opentelemetry/main.ts [folder]
import { type Context, context, propagation, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { json, open, string } from "tidelog";
import { processBatch, processRecord, send, sendIn } from "./tracing.js";

const memory = new InMemorySpanExporter();
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] }));
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

await using log = await open(process.argv[2] ?? "./data/opentelemetry");
const orders = await log.topic("orders", { key: string(), value: json<{ amount: number }>() });
const invoices = await log.topic("invoices", { key: string(), value: json<{ total: number }>() });

// Two requests come in, each with the context of its caller's trace.
await using producer = log.producer();
for (const [i, caller] of ["4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"].entries()) {
  const request = { traceparent: `00-${caller}-00f067aa0ba902b7-01`, tracestate: `shop=${i}` };
  await context.with(incoming(request), () => send(producer, orders, { key: `o-${i}`, value: { amount: i + 1 } }));
}

// Billing: consumes and produces. What it sends goes on with the trace of what it read.
await log.process({ id: "billing", from: orders, until: "end" }, (order, tx) =>
  processRecord(order, "billing", ({ key, value }) => {
    sendIn(tx, invoices, { key: key!, value: { total: value!.amount * 4 } });
  }),
);

// The report takes invoices as they come, many at a time.
await using report = log.consumer({ group: "report", topics: [invoices], until: "end" });
let total = 0;
for await (const batch of report.batches()) {
  await processBatch(batch, "report", () => {
    for (const { value } of batch) total += value!.total;
  });
}
console.log(`invoices of ${total} in all`);

const spans = memory.getFinishedSpans();
const roots = spans.filter(({ parentSpanContext }) => parentSpanContext === undefined || parentSpanContext.isRemote);
for (const root of roots.filter(({ kind }) => kind === SpanKind.PRODUCER)) {
  const { traceId, traceState } = root.spanContext();
  console.log(`trace ${traceId}, state ${traceState?.serialize()}`);
  tell(root, "  ");
}
for (const root of roots.filter(({ attributes }) => attributes["messaging.batch.message_count"] !== undefined)) {
  const linked = root.links.map((link) => link.context.traceId);
  console.log(`${root.name}, ${linked.length} records, with links to ${linked.join(" and ")}`);
}

/** A span and what follows from it. */
function tell(span: ReadableSpan, indent: string): void {
  console.log(`${indent}${span.name}`);
  const { spanId } = span.spanContext();
  for (const next of spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === spanId)) {
    tell(next, `${indent}  `);
  }
}

function incoming(headers: Record<string, string>): Context {
  return propagation.extract(ROOT_CONTEXT, headers);
}
