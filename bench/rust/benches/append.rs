//! Appending batches to a `buffered` topic, beside a plain file and redb: what reaches the page cache in a second.
//! One iteration is one batch; each sample starts with an empty store.

#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't go on must stop, and say why"
)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};
use tidelog_bench::{Fixture, FramedFile, LARGE, SMALL, Shape};

const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
/// Calls of `produce` under way at once.
const WINDOW: usize = 8;

fn append(criterion: &mut Criterion) {
    for shape in [SMALL, LARGE] {
        let mut group = criterion.benchmark_group(format!("append {}", shape.name));
        group.throughput(Throughput::Elements(shape.batch as u64));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3));
        produce(&mut group, shape);
        append_encoded(&mut group, shape);
        plain_file(&mut group, shape);
        redb_transactions(&mut group, shape);
        group.finish();
    }
}

/// Packed records, encoded and appended on the core's threads: what Node does.
fn produce(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let payloads = shape.all_payloads();
    let table = shape.packed_table();
    group.bench_function("tidelog, packed records", |bencher| {
        bencher.iter_custom(|batches| {
            let fixture = Fixture::empty();
            let lane = fixture.store.producer_lane();
            let (done, outcomes) = mpsc::channel();
            // Buffers come back with the outcome and are filled again.
            let mut free: Vec<_> = (0..WINDOW)
                .map(|_| (table.clone(), Vec::with_capacity(128 << 10)))
                .collect();
            let mut acknowledged = 0;
            let start = Instant::now();
            for number in 0..batches as usize {
                let (table, mut bytes) = match free.pop() {
                    Some(buffers) => buffers,
                    None => take(&outcomes, &mut acknowledged),
                };
                bytes.clear();
                bytes.extend_from_slice(&payloads[number % payloads.len()]);
                let done = done.clone();
                lane.produce(&fixture.topic, table, bytes, move |outcome| {
                    let _ = done.send(outcome);
                });
            }
            while acknowledged < batches * shape.batch as u64 {
                take(&outcomes, &mut acknowledged);
            }
            let elapsed = start.elapsed();
            assert_eq!(
                fixture.partition.high_watermark(),
                batches * shape.batch as u64
            );
            elapsed
        });
    });
}

fn take(
    outcomes: &mpsc::Receiver<tidelog::ProduceOutcome>,
    acknowledged: &mut u64,
) -> (Vec<u8>, Vec<u8>) {
    let outcome = outcomes.recv().expect("an outcome");
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    *acknowledged += outcome
        .runs
        .iter()
        .map(|run| u64::from(run.count))
        .sum::<u64>();
    (outcome.table, outcome.bytes)
}

/// Batches that somebody else encoded: checked whole, record by record.
fn append_encoded(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let encoded: Vec<Vec<u8>> = (0..17).map(|number| shape.encoded(number)).collect();
    group.bench_function("tidelog, encoded batches", |bencher| {
        bencher.iter_custom(|batches| {
            let fixture = Fixture::empty();
            let start = Instant::now();
            for number in 0..batches as usize {
                fixture
                    .partition
                    .append(encoded[number % encoded.len()].clone())
                    .expect("an append");
            }
            let elapsed = start.elapsed();
            assert_eq!(
                fixture.partition.high_watermark(),
                batches * shape.batch as u64
            );
            elapsed
        });
    });
}

fn plain_file(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let payloads = shape.all_payloads();
    group.bench_function("plain file, pwrite", |bencher| {
        bencher.iter_custom(|batches| {
            let mut file = FramedFile::empty();
            let start = Instant::now();
            for number in 0..batches as usize {
                file.append(&payloads[number % payloads.len()], shape.size);
            }
            start.elapsed()
        });
    });
}

fn redb_transactions(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let payloads = shape.all_payloads();
    group.bench_function("redb, durability none", |bencher| {
        bencher.iter_custom(|batches| {
            let folder = tempfile::tempdir().expect("a folder");
            let database =
                Database::create(folder.path().join("records.redb")).expect("a database");
            let start = Instant::now();
            for number in 0..batches as usize {
                let mut transaction = database.begin_write().expect("a transaction");
                transaction
                    .set_durability(redb::Durability::None)
                    .expect("a durability");
                {
                    let mut table = transaction.open_table(RECORDS).expect("a table");
                    let first = (number * shape.batch) as u64;
                    let records = payloads[number % payloads.len()].chunks_exact(shape.size);
                    for (offset, payload) in (first..).zip(records) {
                        table.insert(offset, payload).expect("an insert");
                    }
                }
                transaction.commit().expect("a commit");
            }
            let elapsed = start.elapsed();
            let transaction = database.begin_read().expect("a transaction");
            let table = transaction.open_table(RECORDS).expect("a table");
            assert_eq!(table.len().expect("a length"), batches * shape.batch as u64);
            elapsed
        });
    });
}

criterion_group!(benches, append);
criterion_main!(benches);
