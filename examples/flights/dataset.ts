// The flights: three million of the United States' in the first half of 2001, sorted by time, as the package
// vega-datasets ships them in a Parquet file. Read one row group at a time, so memory stays bounded.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { decompress } from "fzstd";
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from "hyparquet";

/** One event, as it is written to the topic in JSON. */
export interface Flight {
  /** Time of departure by the airport's clock, taken as UTC. */
  date: string;
  /** Minutes late; negative when early. */
  delay: number;
  /** Miles. */
  distance: number;
  origin: string;
  destination: string;
}

/** A run of consecutive flights. */
export interface FlightChunk {
  /** Times in ms since 1970, rising; beside each flight because its record carries it too. */
  times: Float64Array;
  flights: Flight[];
}

/** Flights that are made into objects at once. */
const CHUNK = 90_000;

/** Yields the first `count` flights in order, at most 90,000 at a time. */
export async function* readFlights(count: number): AsyncGenerator<FlightChunk> {
  const file = await asyncBufferFromFile(datasetPath());
  const metadata = await parquetMetadataAsync(file);
  let start = 0;
  for (const group of metadata.row_groups) {
    const size = Math.min(Number(group.num_rows), count - start);
    if (size <= 0) return;
    const columns = new Columns(start, size);
    await parquetRead({
      file,
      metadata,
      columns: ["date", "delay", "distance", "origin", "destination"],
      rowStart: start,
      rowEnd: start + size,
      compressors: { ZSTD: (input, length) => decompress(input, new Uint8Array(length)) },
      onChunk: (chunk) => columns.add(chunk.columnName, chunk.rowStart, chunk.columnData),
    });
    for (let row = 0; row < size; row += CHUNK) yield columns.slice(row, Math.min(row + CHUNK, size));
    start += size;
  }
  if (start < count) throw new Error(`the data set has ${start} flights, ${count} were asked for`);
}

function datasetPath(): string {
  const require = createRequire(import.meta.url);
  // The package exports no path to its data; it lies beside what it does export.
  const folder = resolve(require.resolve("vega-datasets"), "..", "..");
  return join(folder, "data", "flights-3m.parquet");
}

/** The columns of one row group, which may come in several pieces, kept small until they are made into flights. */
class Columns {
  private readonly start: number;
  private readonly size: number;
  private readonly times: Float64Array;
  private readonly delays: Int16Array;
  private readonly distances: Int16Array;
  private readonly origins: string[];
  private readonly destinations: string[];

  constructor(start: number, size: number) {
    this.start = start;
    this.size = size;
    this.times = new Float64Array(size);
    this.delays = new Int16Array(size);
    this.distances = new Int16Array(size);
    this.origins = new Array<string>(size);
    this.destinations = new Array<string>(size);
  }

  add(name: string, rowStart: number, values: ArrayLike<unknown>): void {
    // A piece is a whole page and may reach beyond the rows that were asked for.
    const from = Math.max(0, this.start - rowStart);
    const to = Math.min(values.length, this.start + this.size - rowStart);
    for (let i = from; i < to; i++) this.set(name, rowStart + i - this.start, values[i]);
  }

  slice(from: number, to: number): FlightChunk {
    const flights: Flight[] = [];
    for (let row = from; row < to; row++) {
      flights.push({
        date: new Date(this.times[row]!).toISOString(),
        delay: this.delays[row]!,
        distance: this.distances[row]!,
        origin: this.origins[row]!,
        destination: this.destinations[row]!,
      });
    }
    return { times: this.times.subarray(from, to), flights };
  }

  private set(name: string, row: number, value: unknown): void {
    if (name === "date") this.times[row] = (value as Date).getTime();
    else if (name === "delay") this.delays[row] = Number(value);
    else if (name === "distance") this.distances[row] = Number(value);
    else if (name === "origin") this.origins[row] = String(value);
    else if (name === "destination") this.destinations[row] = String(value);
  }
}
